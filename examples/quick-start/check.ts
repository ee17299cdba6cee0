import assert from "node:assert/strict";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";
import { testFleet } from "../../src/testing/index.ts";
import { fleet } from "./fleet.ts";

const model = new ScriptedModel([
  [functionCall("transfer_to_refunds", {}, { callId: "c1" })],
  [functionCall("find_order", { order: "1842" }, { callId: "c2" })],
  [assistantMessage(JSON.stringify({ reply: "One charge comes back.", refundCents: 4_200 }))],
]);
const inMemory = testFleet(fleet, { models: { "*": model } });

const result = await inMemory.complete("triage", "I was charged twice for order 1842.");
assert(result?.status === "completed" && result.agent === "refunds");
assert.equal(result.output.refundCents, 4_200);
assert.equal(model.calls.length, 3);
