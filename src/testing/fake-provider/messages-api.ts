/** An answer in the form of Anthropic's Messages API: one object, or the events that build it. */
import type { FakeCall } from "./call.ts";
import { type Answer, type Frame, toChunks, toUsageOf } from "./reply.ts";

type Block = { readonly type: string; readonly [name: string]: unknown };

export const toMessage = (answer: Answer): Readonly<Record<string, unknown>> => ({
  ...envelope(answer),
  content: toBlocks(answer),
  stop_reason: toStopReason(answer),
  usage: toUsage(answer),
});

export function toMessageFrames(answer: Answer): readonly Frame[] {
  const usage = toUsage(answer);
  const start = { ...envelope(answer), content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } };
  const opening = [frame({ type: "message_start", message: start }), frame({ type: "ping" })];
  const blocks = toBlocks(answer).flatMap((block, index) => toBlockFrames(answer, block, index));
  // Anthropic answers 200 and says in the stream that it cannot go on.
  if (answer.finishReason === "failed") {
    return [...opening, ...blocks, frame({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })];
  }
  const delta = { stop_reason: toStopReason(answer), stop_sequence: null };
  return [...opening, ...blocks, frame({ type: "message_delta", delta, usage }), frame({ type: "message_stop" })];
}

/** What `/v1/messages/count_tokens` answers. */
export const countTokensOf = (call: FakeCall): number =>
  toUsageOf(call, { text: undefined, refusal: undefined, reasoning: undefined, toolCalls: [] }).inputTokens;

const frame = (event: Block, chars = 0): Frame => ({ data: `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`, chars });

const envelope = ({ id, model }: Answer): Readonly<Record<string, unknown>> => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model,
  stop_sequence: null,
});

function toBlocks({ id, reasoning, text, refusal, toolCalls }: Answer): readonly Block[] {
  const spoken = refusal ?? text;
  return [
    ...(reasoning === undefined ? [] : [{ type: "thinking", thinking: reasoning, signature: `sig_${id}` }]),
    ...(spoken === undefined ? [] : [{ type: "text", text: spoken }]),
    ...toolCalls.map((call) => ({ type: "tool_use", id: call.id, name: call.name, input: JSON.parse(call.argumentsJson) as unknown })),
  ];
}

function toBlockFrames({ chunkChars }: Answer, block: Block, index: number): readonly Frame[] {
  const delta = (fields: Block, chars = 0): Frame => frame({ type: "content_block_delta", index, delta: fields }, chars);
  const pieces = (text: string, toFields: (piece: string) => Block): readonly Frame[] =>
    toChunks(text, chunkChars).map((piece) => delta(toFields(piece), piece.length));
  const open = (fields: Readonly<Record<string, unknown>>): Frame =>
    frame({ type: "content_block_start", index, content_block: { ...block, ...fields } });
  const close = frame({ type: "content_block_stop", index });
  if (block.type === "thinking") {
    const thinking = pieces(String(block["thinking"]), (piece) => ({ type: "thinking_delta", thinking: piece }));
    return [open({ thinking: "", signature: "" }), ...thinking, delta({ type: "signature_delta", signature: block["signature"] }), close];
  }
  if (block.type === "tool_use") {
    const input = pieces(JSON.stringify(block["input"]), (piece) => ({ type: "input_json_delta", partial_json: piece }));
    return [open({ input: {} }), ...input, close];
  }
  return [open({ text: "" }), ...pieces(String(block["text"]), (piece) => ({ type: "text_delta", text: piece })), close];
}

function toStopReason({ finishReason, refusal, toolCalls }: Answer): string {
  if (finishReason === "length") return "max_tokens";
  if (finishReason === "content_filter" || refusal !== undefined) return "refusal";
  return toolCalls.length > 0 ? "tool_use" : "end_turn";
}

/** Anthropic counts what came from the cache, and what went into it, apart from the other input. */
const toUsage = ({ usage }: Answer): Readonly<Record<string, unknown>> => ({
  input_tokens: Math.max(0, usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteInputTokens),
  cache_read_input_tokens: usage.cachedInputTokens,
  cache_creation_input_tokens: usage.cacheWriteInputTokens,
  output_tokens: usage.outputTokens,
});
