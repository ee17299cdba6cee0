/** What was said so far, as the API that is asked next takes it. Through real providers' doors: tests/integration/litellm-doors.test.ts. */
import { type AgentInputItem, withTrace } from "@openai/agents";
import { expect, test } from "vitest";
import { toSendable } from "../../../src/models/sendable.ts";
import { breachesOf } from "../../support/upstream-rules.ts";
import { caller, openai, setup } from "./routed-models.ts";

const RESPONSES = { api: "responses", name: "gpt-x" } as const;
const CHAT = { api: "chat", name: "llama" } as const;

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
const hosted: AgentInputItem = {
  type: "hosted_tool_call",
  name: "web_search_call",
  id: "ws_1",
  status: "completed",
  providerData: { type: "web_search_call" },
};
const plainMessage = { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Hello" }] };

test("the Responses API gets its own thinking back with what it led to, as it gave it", () => {
  const turn = [user, thought, says("msg_1", { phase: "commentary" }), call({ id: "fc_1", providerData: { x: 1 } }), result];
  expect(toSendable(turn, RESPONSES, 1)).toEqual(turn);
});

test("another model of the same provider gets neither thinking nor the ids that belong to it", () => {
  const turn = [user, thought, says("msg_1", { phase: "commentary" }), call({ id: "fc_1" }), result];
  expect(toSendable(turn, RESPONSES, turn.length)).toEqual([user, { ...plainMessage, phase: "commentary" }, call({}), result]);
});

const led: AgentInputItem = { type: "reasoning", id: "rs_1", content: [{ type: "input_text", text: "Hm" }] };
const wrote = (more: Record<string, unknown>) => says("msg_1", { content: [{ type: "output_text", text: "Hello" }], ...more });
const words = wrote({ id: undefined });

test.each<[what: string, said: AgentInputItem[], inherited: number, sent: AgentInputItem[]]>([
  ["behind its own thinking goes back as it came", [user, led, hosted, wrote({})], 1, [user, led, hosted, wrote({})]],
  ["behind thinking that is left out is left out too", [user, led, hosted, wrote({})], 4, [user, words]],
  ["of a later answer without thinking stays", [user, led, wrote({}), user, hosted], 5, [user, words, user, hosted]],
  ["that no thinking led to stays", [user, hosted, wrote({})], 3, [user, hosted, words]],
])("a hosted call %s", async (_what, said, inherited, sent) => {
  expect(toSendable(said, RESPONSES, inherited)).toEqual(sent);
  await using fleet = await setup((url) => ({ ...openai(url), currentCaller: () => ({ ...caller({}), inherited }) }));
  const model = await fleet.provider.getModel("gpt-x");
  const asked = { modelSettings: {}, tools: [], handoffs: [], outputType: "text" as const, tracing: false };
  await withTrace("a call of its own", () => model.getResponse({ ...asked, input: said }));
  expect(breachesOf(fleet.fake.calls)).toEqual([]);
});

test("an id without the thinking that it followed is left out: a fork under another model has taken the thinking away", () => {
  expect(toSendable([user, call({ id: "fc_1", providerData: { namespace: "n" } }), result], RESPONSES, 1)).toEqual([
    user,
    call({ providerData: { namespace: "n" } }),
    result,
  ]);
});

test.each(["chatcmpl-1", "FAKE_ID", "gen-7"])("the Responses API gets no id of a Chat server such as %s", (id) => {
  const open: AgentInputItem = { type: "reasoning", content: [], rawContent: [{ type: "reasoning_text", text: "Hm" }] };
  expect(toSendable([user, open, says(id), call({ id, providerData: { type: "function" } }), result], RESPONSES, 1)).toEqual([
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
  const turn = [
    user,
    thought,
    sealed,
    hosted,
    says("msg_1", { phase: "commentary" }),
    call({ id: "fc_1", providerData: { x: 1 } }),
    result,
  ];
  expect(toSendable(turn, CHAT, 1)).toEqual([user, plainMessage, call({}), result]);
});

test("Chat Completions gets its own open thinking and a call's extra fields back within the hop, and not from before it", () => {
  const open: AgentInputItem = { type: "reasoning", content: [], rawContent: [{ type: "reasoning_text", text: "Hm" }] };
  const signed = call({ id: "chatcmpl-1", providerData: { extra_content: { google: { thought_signature: "s" } } } });
  expect(toSendable([user, open, signed, result], CHAT, 1)).toEqual([user, open, signed, result]);
  expect(toSendable([user, open, signed, result], CHAT, 4)).toEqual([user, call({}), result]);
});

test("a Gemini gets the signatures of calls that another agent made, which it refuses to miss, and no other model does", () => {
  const providerData = { extra_content: { google: { thought_signature: "s" } }, other: 1 };
  const turn = [user, call({ id: "chatcmpl-1", providerData }), result];
  const { other: _other, ...signature } = providerData;
  expect(toSendable(turn, { api: "chat", name: "Gemini-3-pro" }, 3)).toEqual([user, call({ providerData: signature }), result]);
  expect(toSendable(turn, CHAT, 3)).toEqual([user, call({}), result]);
  const unsigned = [user, call({ providerData: { extra_content: { google: {} } } }), result];
  expect(toSendable(unsigned, { api: "chat", name: "gemini-3-pro" }, 3)).toEqual([user, call({}), result]);
});

test("Chat Completions gets nothing that the SDK throws at: no search for tools, no machine's calls, no namespace", () => {
  const odd: AgentInputItem[] = [
    { type: "tool_search_call", id: "tsc_1", status: "completed", arguments: {} },
    { type: "tool_search_output", id: "tso_1", status: "completed", tools: [] },
    { type: "computer_call", callId: "cc", status: "completed", action: { type: "screenshot" } },
    { type: "computer_call_result", callId: "cc", output: { type: "computer_screenshot", data: "x" } },
    { type: "shell_call", callId: "sc", action: { commands: ["ls"] } },
    { type: "shell_call_output", callId: "sc", output: [] },
    { type: "apply_patch_call", callId: "ac", status: "completed", operation: { type: "delete_file", path: "a" } },
    { type: "apply_patch_call_output", callId: "ac", status: "completed" },
    { type: "compaction", encrypted_content: "x" },
    { type: "unknown", providerData: { type: "new_kind" } },
  ];
  const named = { ...call({ id: "fc_1" }), namespace: "crm", caller: { type: "program", callerId: "p" } };
  const turn = [user, ...odd, named, { ...result, namespace: "crm", caller: { type: "program", callerId: "p" } }] as AgentInputItem[];
  expect(toSendable(turn, CHAT, turn.length)).toEqual([user, call({}), result]);
  expect(toSendable(turn, CHAT, 1)).toEqual([user, call({}), result]);
});

test("Anthropic's API is given everything: it has a form of its own for it", () => {
  const turn = [user, thought, says("msg_1")];
  expect(toSendable(turn, { api: "messages", name: "claude-x" }, 3)).toBe(turn);
});
