/** A refund that waits for a person: how long, who may decide, who is told. Quoted by docs/how-to/approvals.md. */
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../src/index.ts";

/** Stands for your payments, your directory of people and your chat. */
export interface Desk {
  pay(amountCents: number): Promise<string>;
  isLead(name: string | undefined): Promise<boolean>;
  tell(text: string): Promise<void>;
}

export function createRefundFleet(desk: Desk) {
  // #region tool
  const refund = tool({
    name: "refund",
    description: "Pays money back to the customer.",
    parameters: z.object({ amountCents: z.int().positive() }),
    // As in the SDK: true, or a function of the arguments.
    needsApproval: async (_context, { amountCents }) => amountCents > 10_000,
    execute: async ({ amountCents }) => desk.pay(amountCents),
  });
  const refundInADay = toolPolicy(refund, {
    approval: { withinMs: 24 * 60 * 60 * 1_000, onTimeout: "reject" },
  });
  // #endregion
  const refunds = new Agent({ name: "refunds", instructions: "Pay back what is due.", model: "gpt-5.4-mini", tools: [refundInADay] });
  // #region fleet
  const fleet = createFleet({
    agents: { refunds },
    approvers: async ({ by, approve, arguments: { amountCents } }) => {
      if (!approve || Number(amountCents) <= 50_000) return by !== undefined;
      return (await desk.isLead(by)) || { allowed: false, why: "above 500 only a lead decides" };
    },
    hooks: {
      onApprovalRequested: (call) => desk.tell(`${call.tool}(${call.arguments}) waits: ${call.runId} ${call.callId}`),
    },
  });
  // #endregion
  return fleet;
}
