/** What was said so far, as the API that is asked next takes it. Through real providers' doors: tests/integration/doors.test.ts. */
import type { AgentInputItem } from "@openai/agents";
import { expect, test } from "vitest";
import { toSendable } from "../../../src/models/sendable.ts";

const user: AgentInputItem = { role: "user", content: "hi" };
const thought: AgentInputItem = { type: "reasoning", id: "rs_1", content: [{ type: "input_text", text: "Hm" }], providerData: { a: 1 } };
const call = (more: Record<string, unknown>): AgentInputItem => ({
  type: "function_call",
  callId: "c",
  name: "f",
  arguments: "{}",
  ...more,
});
const result: AgentInputItem = {
  type: "function_call_result",
  callId: "c",
  name: "f",
  status: "completed",
  output: { type: "text", text: "done" },
};
const says = (id: string, more: Record<string, unknown> = {}): AgentInputItem => ({
  type: "message",
  role: "assistant",
  id,
  status: "completed",
  content: [{ type: "output_text", text: "Hello", providerData: { annotations: [], tool_calls: [] } }],
  ...more,
});
const plainMessage = { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Hello" }] };

test("the Responses API gets its own thinking back with what it led to, as it gave it", () => {
  const turn = [user, thought, says("msg_1", { phase: "commentary" }), call({ id: "fc_1", providerData: { x: 1 } }), result];
  expect(toSendable(turn, "responses", 1)).toEqual(turn);
});

test("another model of the same provider gets neither thinking nor the ids that belong to it", () => {
  const turn = [user, thought, says("msg_1", { phase: "commentary" }), call({ id: "fc_1" }), result];
  expect(toSendable(turn, "responses", turn.length)).toEqual([user, { ...plainMessage, phase: "commentary" }, call({}), result]);
});

test("an id without the thinking that it followed is left out: a fork under another model has taken the thinking away", () => {
  expect(toSendable([user, call({ id: "fc_1", providerData: { namespace: "n" } }), result], "responses", 1)).toEqual([
    user,
    call({ providerData: { namespace: "n" } }),
    result,
  ]);
});

test.each(["chatcmpl-1", "FAKE_ID", "gen-7"])("the Responses API gets no id of a Chat server such as %s", (id) => {
  const open: AgentInputItem = { type: "reasoning", content: [], rawContent: [{ type: "reasoning_text", text: "Hm" }] };
  expect(toSendable([user, open, says(id), call({ id, providerData: { type: "function" } }), result], "responses", 1)).toEqual([
    user,
    plainMessage,
    call({}),
    result,
  ]);
});

test("Chat Completions gets the words alone: not what the SDK keeps of a whole message, no phase, no sealed thinking, no hosted call", () => {
  const sealed: AgentInputItem = {
    type: "reasoning",
    content: [],
    rawContent: [{ type: "reasoning_text", text: "Hm" }],
    providerData: { anthropic: { type: "thinking" } },
  };
  const hosted: AgentInputItem = { type: "hosted_tool_call", name: "web_search_call", id: "ws_1", status: "completed" };
  const turn = [
    user,
    thought,
    sealed,
    hosted,
    says("msg_1", { phase: "commentary" }),
    call({ id: "fc_1", providerData: { x: 1 } }),
    result,
  ];
  expect(toSendable(turn, "chat", 1)).toEqual([user, plainMessage, call({}), result]);
});

test("Chat Completions gets its own open thinking and a call's extra fields back within the hop, and not from before it", () => {
  const open: AgentInputItem = { type: "reasoning", content: [], rawContent: [{ type: "reasoning_text", text: "Hm" }] };
  const signed = call({ id: "chatcmpl-1", providerData: { extra_content: { google: { thought_signature: "s" } } } });
  expect(toSendable([user, open, signed, result], "chat", 1)).toEqual([user, open, signed, result]);
  expect(toSendable([user, open, signed, result], "chat", 4)).toEqual([user, call({}), result]);
});

test("Anthropic's API is given everything: it has a form of its own for it", () => {
  const turn = [user, thought, says("msg_1")];
  expect(toSendable(turn, "messages", 3)).toBe(turn);
});
