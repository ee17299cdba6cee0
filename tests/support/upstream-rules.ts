/**
 * What real providers refuse in a request's history, and fakes take: fields they do not know, ids and thinking that they did not issue, calls
 * without results. Checked on what a fake provider recorded.
 */
import type { FakeCallRecord } from "../../src/testing/fake-provider.ts";

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? null));
const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.filter(isFields) : []);

/** Every breach of the rules in the calls, in words; empty when a real provider would have taken them all. */
export const breachesOf = (calls: readonly FakeCallRecord[]): string[] =>
  calls.flatMap((call, index) => {
    const said = [...RULES[call.api](call.body), ...foreignIds(call, calls)];
    return said.map((words) => `call ${index} (${call.api}): ${words}`);
  });

/** Ids that the fake issued hold the id of their call: one in a later request must come from the same API and the same agent. */
function foreignIds(call: FakeCallRecord, calls: readonly FakeCallRecord[]): string[] {
  const ids = [...JSON.stringify(call.body).matchAll(/(?:rs|fc|msg|sig|call|chatcmpl|resp)[_-]([0-9a-f]{8}\d+)/g)];
  const foreign = ids.filter(([, id]) => {
    const issuer = calls.find((other) => other.id === id);
    // Anthropic reads its own thinking whichever of its models was asked.
    return issuer?.api !== call.api || (call.api !== "messages" && instructionsOf(issuer) !== instructionsOf(call));
  });
  const proxys = JSON.stringify(call.body).match(/chatcmpl-[0-9a-f-]{36}|"FAKE_ID"/g) ?? [];
  return [...foreign.map(([id]) => `the id ${id} is another's`), ...proxys.map((id) => `the id ${id} is a proxy's`)];
}

const instructionsOf = ({ body }: FakeCallRecord): string =>
  JSON.stringify(body["instructions"] ?? body["system"] ?? listOf(body["messages"])[0]).match(/Triage|Specialist|Expert/)?.[0] ?? "";

const RULES = { responses: responsesBreaches, chat: chatBreaches, messages: messagesBreaches } as const;

const unknownFields = (what: string, value: Fields, known: readonly string[]): string[] =>
  Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => `${what} has the field ${key}`);

const partsOf = (content: unknown, known: readonly string[]): string[] =>
  listOf(content).flatMap((part) => unknownFields(`a part ${shown(part["type"])}`, part, known));

function unpaired(calls: readonly unknown[], results: readonly unknown[]): string[] {
  const odd = (these: readonly unknown[], those: readonly unknown[], what: string): string[] =>
    these.filter((id) => those.filter((other) => other === id).length !== 1).map((id) => `${what} ${shown(id)} stands alone`);
  return [...odd(calls, results, "the call"), ...odd(results, calls, "the result")];
}

const badName = (name: unknown): string[] => (/^[a-zA-Z0-9_-]{1,64}$/.test(shown(name)) ? [] : [`the name ${shown(name)}`]);

function responsesBreaches({ input, tools }: Fields): string[] {
  const items = listOf(input);
  const idsOf = (type: string): unknown[] => items.filter((item) => item["type"] === type).map((item) => item["call_id"]);
  return [
    ...items.flatMap((item, index) => responsesItem(item, items[index + 1])),
    ...unpaired(idsOf("function_call"), idsOf("function_call_output")),
    ...listOf(tools).flatMap(({ name }) => badName(name)),
  ];
}

/** Without the prefix of the type and the number in the answer. */
const answerOf = (id: unknown): string =>
  shown(id)
    .replace(/^[a-z]+_/, "")
    .replace(/_\d+$/, "");

function responsesItem(item: Fields, next: Fields | undefined): string[] {
  const id = item["id"];
  const badId = (prefix: string): string[] =>
    id === undefined || shown(id).startsWith(prefix) ? [] : [`a ${shown(item["type"])} has the id ${shown(id)}`];
  switch (item["type"] ?? "message") {
    case "message": {
      const parts = partsOf(item["content"], ["type", "text", "refusal", "annotations", "logprobs"]);
      return [...unknownFields("a message", item, ["type", "id", "role", "content", "status"]), ...badId("msg_"), ...parts];
    }
    case "function_call":
      return [
        ...unknownFields("a function_call", item, ["type", "id", "call_id", "name", "arguments", "status"]),
        ...badId("fc_"),
        ...badName(item["name"]),
      ];
    case "function_call_output":
      return unknownFields("a function_call_output", item, ["type", "id", "call_id", "output", "status"]);
    case "reasoning": {
      const isFollowed = next !== undefined && answerOf(next["id"]) === answerOf(id);
      return [
        ...unknownFields("a reasoning", item, ["type", "id", "summary", "content", "encrypted_content", "status"]),
        ...(id === undefined ? ["a reasoning without an id"] : badId("rs_")),
        ...(isFollowed ? [] : ["a reasoning without the item that it led to"]),
      ];
    }
    case "web_search_call":
      return [...unknownFields("a web_search_call", item, ["type", "id", "action", "status"]), ...badId("ws_")];
    default:
      return [`an item of type ${shown(item["type"])}`];
  }
}

function chatBreaches({ messages, tools }: Fields): string[] {
  const said = listOf(messages);
  return [
    ...said.flatMap((message, index) => chatMessage(message, said.slice(index + 1))),
    ...listOf(tools).flatMap((tool) => (isFields(tool["function"]) ? badName(tool["function"]["name"]) : ["a tool without a function"])),
  ];
}

function chatMessage(message: Fields, after: readonly Fields[]): string[] {
  if (message["role"] === "tool") return unknownFields("a tool message", message, ["role", "tool_call_id", "content"]);
  const calls = listOf(message["tool_calls"]);
  const other = after.findIndex(({ role }) => role !== "tool");
  const results = (other < 0 ? after : after.slice(0, other)).map((result) => result["tool_call_id"]);
  const isEmpty = message["role"] === "assistant" && message["content"] === null && calls.length === 0;
  return [
    ...unknownFields(`a message of ${shown(message["role"])}`, message, ["role", "content", "tool_calls", "reasoning"]),
    ...partsOf(message["content"], ["type", "text", "refusal"]),
    ...calls.flatMap((call) => unknownFields("a tool call", call, ["id", "type", "function"])),
    ...calls.flatMap((call) =>
      isFields(call["function"]) ? unknownFields("a function", call["function"], ["name", "arguments"]) : ["no function"],
    ),
    ...(calls.length === 0
      ? []
      : unpaired(
          calls.map(({ id }) => id),
          results,
        )),
    ...(isEmpty ? ["an assistant's message that says nothing"] : []),
  ];
}

function messagesBreaches({ messages, tools, system }: Fields): string[] {
  const turns = listOf(messages);
  return [
    ...turns.flatMap((turn, index) => messagesTurn(turn, turns[index - 1])),
    ...(turns.at(-1)?.["role"] === "user" ? [] : ["the last turn is not the user's"]),
    ...partsOf(system, ["type", "text", "cache_control"]),
    ...listOf(tools).flatMap(({ name }) => badName(name)),
  ];
}

const BLOCK_FIELDS: Readonly<Record<string, readonly string[]>> = {
  text: ["type", "text", "cache_control"],
  tool_use: ["type", "id", "name", "input", "cache_control"],
  tool_result: ["type", "tool_use_id", "content", "is_error", "cache_control"],
  thinking: ["type", "thinking", "signature"],
  redacted_thinking: ["type", "data"],
};

function messagesTurn({ role, content }: Fields, before: Fields | undefined): string[] {
  const blocks = listOf(content);
  const idsIn = (from: unknown, type: string, name: string): unknown[] =>
    listOf(from)
      .filter((block) => block["type"] === type)
      .map((block) => block[name]);
  const due = idsIn(before?.["content"], "tool_use", "id");
  const results = idsIn(content, "tool_result", "tool_use_id");
  const firstOther = blocks.findIndex(({ type }) => type !== "thinking" && type !== "redacted_thinking");
  return [
    ...((before?.["role"] ?? "assistant") === role ? [`two turns of the ${shown(role)}`] : []),
    ...blocks.flatMap((block) => unknownFields(`a block ${shown(block["type"])}`, block, BLOCK_FIELDS[shown(block["type"])] ?? ["none"])),
    ...blocks.filter(({ type, text }) => type === "text" && shown(text).trim() === "").map(() => "an empty text"),
    ...blocks
      .filter(({ type }, at) => shown(type).endsWith("thinking") && firstOther >= 0 && at > firstOther)
      .map(() => "thinking behind other blocks"),
    ...blocks
      .filter(({ type, signature }) => type === "thinking" && !shown(signature).startsWith("sig_"))
      .map(() => "thinking without a signature"),
    ...(role === "user" ? unpaired(due, results) : []),
    ...(blocks.length === 0 && typeof content !== "string" ? ["an empty turn"] : []),
  ];
}
