import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import {
  deniedText,
  guardInput,
  guardOutput,
  guardToolInput,
  judgedBy,
  linksOnlyTo,
  maskToolOutput,
  maxLength,
  noPersonalData,
} from "../../src/guardrails/index.ts";
import { createFleet } from "../../src/index.ts";

const orders = new Map([[7, { state: "sent", customer: "ann@example.com" }]]);

// #region tool
const lookUpOrder = tool({
  name: "look_up_order",
  description: "Reads an order.",
  parameters: z.object({ order: z.int() }),
  execute: async ({ order }) => orders.get(order) ?? "There is no such order.",
  inputGuardrails: [guardToolInput(deniedText({ name: "no-wildcards", patterns: ["*", "%"] }), { onFound: "block" })],
  outputGuardrails: [maskToolOutput()],
});
// #endregion

// #region guarded
const onTopic = judgedBy({ name: "on-topic", model: "gpt-5.4-mini", rule: "The text must be about an order or a refund." });

const support = new Agent({
  name: "support",
  model: "gpt-5.4-mini",
  tools: [lookUpOrder],
  inputGuardrails: [guardInput(maxLength(4_000)), guardInput(onTopic)],
  outputGuardrails: [guardOutput(noPersonalData()), guardOutput(linksOnlyTo({ hosts: ["example.com", "*.example.com"] }))],
});
// #endregion

// #region structured
const refundInput = z.strictObject({ order: z.int(), note: z.string().max(500).optional() });
const refundOutput = z.object({ refundCents: z.int(), reply: z.string() });

const refunds = new Agent({ name: "refunds", model: "gpt-5.4-mini", outputType: refundOutput });
// #endregion

// #region fleet
export const fleet = createFleet({
  agents: {
    support: { agent: support, guardrails: "every-hop" },
    refunds: { agent: refunds, input: refundInput },
  },
});
// #endregion
