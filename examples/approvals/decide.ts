/** A service that shows what waits and passes on what people said. It has none of the agents' code. Quoted by docs/how-to/approvals.md. */
import { FleetError, type Producer, type RunHandle } from "../../src/producer.ts";

/** What of a `createProducer({ redis })` is needed. */
export interface Decisions {
  readonly approvals: Producer["approvals"];
  readonly run: (runId: string) => Pick<RunHandle, "approve" | "reject">;
}

/** @returns what came too late, and why */
export async function decideRefunds(producer: Decisions, by: string): Promise<string[]> {
  const said: string[] = [];
  // #region decide
  const { approvals } = await producer.approvals({ tenant: "acme", limit: 50 });
  for (const { runId, callId, arguments: args } of approvals) {
    const { amountCents } = JSON.parse(args);
    const run = producer.run(runId);
    try {
      if (amountCents > 100_000) await run.reject(callId, { by, reason: "Too much: offer a voucher.", tenant: "acme" });
      else await run.approve(callId, { by, arguments: { amountCents: Math.min(amountCents, 40_000) }, tenant: "acme" });
    } catch (error) {
      // Somebody else was faster, or the time was over: the message says who decided what and when.
      if (!(error instanceof FleetError) || error.code !== "DECISION_NOT_OPEN") throw error;
      said.push(error.message);
    }
  }
  // #endregion
  return said;
}
