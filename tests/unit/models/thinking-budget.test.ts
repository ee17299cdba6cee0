/** When a budget for thinking goes along: Anthropic refuses it where a turn that calls tools began without a thought. */
import type { AgentInputItem } from "@openai/agents";
import { expect, test } from "vitest";
import { toMessagesBody } from "../../../src/models/anthropic/request.ts";

const thought: AgentInputItem = {
  type: "reasoning",
  content: [],
  providerData: { anthropic: { type: "thinking", thinking: "Hm", signature: "s" } },
};
const call = (callId: string): AgentInputItem[] => [
  { type: "function_call", callId, name: "weather", arguments: "{}", status: "completed" },
  { type: "function_call_result", callId, name: "weather", status: "completed", output: "rain" },
];
const asks: AgentInputItem = { role: "user", content: "Rain?" };

test.each<[how: string, turn: AgentInputItem[], isSent: boolean]>([
  ["has not begun yet", [], true],
  ["began with a thought", [thought, ...call("a")], true],
  ["began with a thought, and called again without", [thought, ...call("a"), ...call("b")], true],
  ["began without", call("a"), false],
  ["began without, and called again with one", [...call("a"), thought, ...call("b")], false],
])("a turn that %s", (_how, turn, isSent) => {
  const input = [asks, ...call("before"), asks, ...turn];
  const modelSettings = { providerData: { thinking: { type: "enabled", budget_tokens: 1_024 } } };
  const body = toMessagesBody("claude-x", { input, modelSettings, tools: [], handoffs: [], outputType: "text", tracing: false }, false);
  expect("thinking" in body).toBe(isSent);
});
