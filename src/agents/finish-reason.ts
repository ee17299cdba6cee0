/**
 * Why a model stopped, as its provider says it. An answer that stopped for another reason than its end is no answer, even where it parses:
 * a list cut off after its second entry is valid JSON once a proxy has closed its brackets.
 */

/** `length`: cut off at the token limit. `content_filter`: withheld by the provider. */
export type EarlyEnd = "length" | "content_filter";

const EARLY_ENDS: Readonly<Record<string, EarlyEnd>> = {
  length: "length",
  // The Responses API and Anthropic.
  max_output_tokens: "length",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  content_filter: "content_filter",
  // The AI SDK.
  "content-filter": "content_filter",
};

/** Reads a provider's raw response or stream event: Chat Completions, Responses, the AI SDK, Anthropic. */
export function earlyEndOf(raw: unknown): EarlyEnd | undefined {
  for (const reason of reasonsIn(raw)) {
    if (typeof reason === "string" && Object.hasOwn(EARLY_ENDS, reason)) return EARLY_ENDS[reason];
  }
  return undefined;
}

function* reasonsIn(raw: unknown): Generator<unknown> {
  const choices = member(raw, "choices");
  yield member(Array.isArray(choices) ? choices[0] : undefined, "finish_reason");
  yield member(member(raw, "incomplete_details"), "reason");
  yield member(member(member(raw, "response"), "incomplete_details"), "reason");
  const finishReason = member(raw, "finishReason");
  yield finishReason;
  yield member(finishReason, "unified");
  yield member(raw, "stop_reason");
}

const member = (value: unknown, name: string): unknown =>
  // Narrowed to an object; any member of it is unknown.
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
