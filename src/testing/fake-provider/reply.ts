/** What a rule may answer, and what may go wrong with it. */
import type { FakeCall } from "./call.ts";

export interface FakeToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly id?: string;
}

export interface FakeUsage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  /** Of the input, what was written to the prompt cache; Anthropic's API tells. */
  readonly cacheWriteInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** What may go wrong with an answer. A fault from the plan overrides the reply's own. */
export interface Fault {
  /** An HTTP status of 400 or more: an error body is sent instead of the answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  /** Wait this long before the answer, besides the provider's latency. */
  readonly delayMs?: number;
  /** After this many characters (of text when streamed, of the body when not) the socket is destroyed. */
  readonly cut?: number;
  /** The socket is destroyed before anything is sent. */
  readonly reset?: boolean;
  /** Nothing is ever sent. */
  readonly hang?: boolean;
  /** `length` cuts nothing: it only says so. `failed` needs the Responses API, or a streamed answer of the Messages API. */
  readonly finishReason?: "stop" | "length" | "content_filter" | "failed";
}

export interface FakeReply extends Fault {
  readonly text?: string;
  readonly toolCalls?: readonly FakeToolCall[];
  readonly refusal?: string;
  readonly reasoning?: string;
  /** Default: computed from the lengths of what came and went. */
  readonly usage?: Partial<FakeUsage>;
  /** Characters in one streamed delta. Default 16. */
  readonly chunk?: number;
  /** Pause between two streamed deltas. Default 0. */
  readonly chunkDelayMs?: number;
}

/** @param gone aborted when the caller hangs up, and when it has its answer */
export type FakeRule = (call: FakeCall, gone: AbortSignal) => FakeReply | Promise<FakeReply>;
export type FaultPlan = (call: FakeCall, index: number) => Fault | undefined;

/** A reply with everything decided that both APIs need. */
export interface Answer {
  readonly id: string;
  readonly model: string;
  readonly text: string | undefined;
  readonly refusal: string | undefined;
  readonly reasoning: string | undefined;
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly argumentsJson: string }[];
  readonly finishReason: NonNullable<Fault["finishReason"]>;
  readonly usage: FakeUsage;
  readonly chunkChars: number;
}

/** One server-sent event. `chars` counts the visible text in it, for `cut`. */
export interface Frame {
  readonly data: string;
  readonly chars: number;
}

const CHARS_PER_TOKEN = 4;
const DEFAULT_CHUNK_CHARS = 16;

export function toAnswer(call: FakeCall, reply: FakeReply, id: string): Answer {
  const toolCalls = (reply.toolCalls ?? []).map((toolCall, index) => ({
    id: toolCall.id ?? `call_${id}_${index}`,
    name: toolCall.name,
    argumentsJson: JSON.stringify(toolCall.arguments),
  }));
  const answer = { text: reply.text, refusal: reply.refusal, reasoning: reply.reasoning, toolCalls };
  return {
    ...answer,
    id,
    model: call.model,
    finishReason: reply.finishReason ?? "stop",
    usage: { ...toUsageOf(call, answer), ...reply.usage },
    chunkChars: Math.max(1, reply.chunk ?? DEFAULT_CHUNK_CHARS),
  };
}

/** The same request and answer always cost the same: no tokenizer, four characters a token. */
export function toUsageOf(call: FakeCall, answer: Pick<Answer, "text" | "refusal" | "reasoning" | "toolCalls">): FakeUsage {
  const asked = [call.instructions, ...call.messages.map(({ text }) => text), ...call.toolResults.map(({ output }) => output)];
  const called = answer.toolCalls.map(({ name, argumentsJson }) => name + argumentsJson);
  const reasoningTokens = countTokens([answer.reasoning ?? ""]);
  return {
    inputTokens: countTokens(asked),
    cachedInputTokens: 0,
    cacheWriteInputTokens: 0,
    outputTokens: reasoningTokens + countTokens([answer.text ?? "", answer.refusal ?? "", ...called]),
    reasoningTokens,
  };
}

const countTokens = (texts: readonly string[]): number =>
  Math.ceil(texts.reduce((total, text) => total + text.length, 0) / CHARS_PER_TOKEN);

export function toChunks(text: string, chunkChars: number): readonly string[] {
  const chars = Array.from(text);
  return Array.from({ length: Math.ceil(chars.length / chunkChars) }, (_, index) =>
    chars.slice(index * chunkChars, (index + 1) * chunkChars).join(""),
  );
}
