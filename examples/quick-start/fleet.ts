import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../src/index.ts";

const findOrder = tool({
  name: "find_order",
  description: "Finds an order by its number.",
  parameters: z.object({ order: z.string() }),
  execute: async ({ order }) => ({ order, paidCents: 4_200, charges: 2 }),
});
const shared = { model: "gpt-5.4-mini", outputType: z.object({ reply: z.string(), refundCents: z.int() }) };

const refunds = new Agent({
  ...shared,
  name: "refunds",
  instructions: "Look the order up, then decide what to pay back.",
  tools: [toolPolicy(findOrder, { onCrash: "idempotent" })],
});
const triage = new Agent({ ...shared, name: "triage", instructions: "Hand off to the right specialist.", handoffs: [refunds] });

export const fleet = createFleet({ agents: { triage, refunds } });
