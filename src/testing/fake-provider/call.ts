/** One request as a rule sees it: the same view of all three APIs, so that rules are written once. */
import type { IncomingHttpHeaders } from "node:http";

export interface FakeMessage {
  readonly role: string;
  readonly text: string;
}

export interface FakeToolResult {
  readonly callId: string;
  readonly name?: string;
  readonly output: string;
}

export interface FakeCall {
  readonly api: "responses" | "chat" | "messages";
  readonly model: string;
  readonly instructions: string;
  /** Without the instructions. */
  readonly messages: readonly FakeMessage[];
  readonly lastUserText: string;
  /** What tools (and handoffs) answered since the last user message. */
  readonly toolResults: readonly FakeToolResult[];
  /** Names of the function tools on offer, without handoffs. */
  readonly tools: readonly string[];
  /** Names of the handoff tools on offer, such as `transfer_to_billing`. */
  readonly handoffs: readonly string[];
  /** The JSON schema that the answer must have. */
  readonly outputSchema?: unknown;
  readonly stream: boolean;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
}

export const HANDOFF_PREFIX = "transfer_to_";

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Undefined when the body names no model, which every API refuses. */
export function parseCall(
  api: FakeCall["api"],
  body: Readonly<Record<string, unknown>>,
  headers: IncomingHttpHeaders,
): FakeCall | undefined {
  const model = body["model"];
  if (typeof model !== "string" || model === "") return undefined;
  const items = READERS[api](body);
  const isInstruction = (message: FakeMessage): boolean => message.role === "system" || message.role === "developer";
  const spoken = items.filter((item) => item.type === "message");
  const names = readToolNames(body);
  const outputSchema = readSchema(body);
  const messages = spoken.map(({ role, text }) => ({ role, text }));
  return {
    api,
    model,
    instructions: [toText(body["instructions"]), toText(body["system"]), ...messages.filter(isInstruction).map(({ text }) => text)]
      .filter((text) => text !== "")
      .join("\n\n"),
    messages: messages.filter((message) => !isInstruction(message)),
    lastUserText: messages.findLast(({ role }) => role === "user")?.text ?? "",
    toolResults: readToolResults(items),
    tools: names.filter((name) => !name.startsWith(HANDOFF_PREFIX)),
    handoffs: names.filter((name) => name.startsWith(HANDOFF_PREFIX)),
    ...(outputSchema === undefined ? {} : { outputSchema }),
    stream: body["stream"] === true,
    headers,
    body,
  };
}

type Item =
  | { readonly type: "message"; readonly role: string; readonly text: string }
  | { readonly type: "call"; readonly callId: string; readonly name: string }
  | { readonly type: "result"; readonly callId: string; readonly output: string };

function readResponsesItems({ input }: Readonly<Record<string, unknown>>): readonly Item[] {
  if (typeof input === "string") return [{ type: "message", role: "user", text: input }];
  return toRecords(input).flatMap((item): readonly Item[] => {
    const callId = toText(item["call_id"]);
    if (item["type"] === "function_call") return [{ type: "call", callId, name: toText(item["name"]) }];
    if (item["type"] === "function_call_output") return [{ type: "result", callId, output: toText(item["output"]) }];
    return typeof item["role"] === "string" ? [{ type: "message", role: item["role"], text: toText(item["content"]) }] : [];
  });
}

function readChatItems({ messages }: Readonly<Record<string, unknown>>): readonly Item[] {
  return toRecords(messages).flatMap((item): readonly Item[] => {
    const role = toText(item["role"]);
    const text = toText(item["content"]);
    if (role === "tool") return [{ type: "result", callId: toText(item["tool_call_id"]), output: text }];
    const calls = toRecords(item["tool_calls"]).map((call): Item => {
      const name = isRecord(call["function"]) ? toText(call["function"]["name"]) : "";
      return { type: "call", callId: toText(call["id"]), name };
    });
    // A message that only calls tools says nothing.
    return text === "" && calls.length > 0 ? calls : [{ type: "message", role, text }, ...calls];
  });
}

function readMessagesItems({ messages }: Readonly<Record<string, unknown>>): readonly Item[] {
  return toRecords(messages).flatMap((item): readonly Item[] => {
    const blocks = typeof item["content"] === "string" ? [{ type: "text", text: item["content"] }] : toRecords(item["content"]);
    const text = toText(blocks.filter(({ type }) => type === "text"));
    const others = blocks.flatMap((block): readonly Item[] => {
      if (block["type"] === "tool_use") return [{ type: "call", callId: toText(block["id"]), name: toText(block["name"]) }];
      if (block["type"] !== "tool_result") return [];
      return [{ type: "result", callId: toText(block["tool_use_id"]), output: toText(block["content"]) }];
    });
    return text === "" && others.length > 0 ? others : [{ type: "message", role: toText(item["role"]), text }, ...others];
  });
}

const READERS = { responses: readResponsesItems, chat: readChatItems, messages: readMessagesItems } as const;

function readToolResults(items: readonly Item[]): readonly FakeToolResult[] {
  const names = new Map(items.flatMap((item) => (item.type === "call" ? [[item.callId, item.name]] : [])));
  const lastUser = items.findLastIndex((item) => item.type === "message" && item.role === "user");
  return items.slice(lastUser + 1).flatMap((item) => {
    if (item.type !== "result") return [];
    const name = names.get(item.callId);
    return [{ callId: item.callId, output: item.output, ...(name === undefined ? {} : { name }) }];
  });
}

const readToolNames = (body: Readonly<Record<string, unknown>>): readonly string[] =>
  toRecords(body["tools"]).flatMap((tool) => {
    const inner = tool["function"];
    const name = isRecord(inner) ? inner["name"] : tool["name"];
    return typeof name === "string" ? [name] : [];
  });

function readSchema(body: Readonly<Record<string, unknown>>): unknown {
  const holder = body["text"] ?? body["output_config"];
  // LiteLLM writes `output_format` for Anthropic, which takes both.
  const format = (isRecord(holder) ? holder["format"] : undefined) ?? body["response_format"] ?? body["output_format"];
  if (!isRecord(format) || format["type"] !== "json_schema") return undefined;
  const wrapped = format["json_schema"];
  return isRecord(wrapped) ? wrapped["schema"] : format["schema"];
}

const toRecords = (value: unknown): readonly Readonly<Record<string, unknown>>[] => (Array.isArray(value) ? value.filter(isRecord) : []);

/** Text of a string, or of a list of content parts. */
function toText(value: unknown): string {
  if (typeof value === "string") return value;
  return toRecords(value)
    .map((part) => part["text"] ?? part["refusal"])
    .filter((text) => typeof text === "string")
    .join("");
}
