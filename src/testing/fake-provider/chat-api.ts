/** An answer in the form of the Chat Completions API: one object, or its chunks. */
import { type Answer, type Frame, toChunks } from "./reply.ts";

const CREATED_SECONDS = 1_700_000_000;

export const toCompletion = (answer: Answer): Readonly<Record<string, unknown>> => ({
  id: `chatcmpl-${answer.id}`,
  object: "chat.completion",
  created: CREATED_SECONDS,
  model: answer.model,
  choices: [{ index: 0, finish_reason: toFinishReason(answer), logprobs: null, message: toMessage(answer) }],
  usage: toUsage(answer),
});

/** @param includesUsage whether the caller asked for usage with `stream_options`. */
export function toCompletionFrames(answer: Answer, includesUsage: boolean): readonly Frame[] {
  const chunk = (fields: Readonly<Record<string, unknown>>, chars = 0): Frame => ({
    data: `data: ${JSON.stringify({
      id: `chatcmpl-${answer.id}`,
      object: "chat.completion.chunk",
      created: CREATED_SECONDS,
      model: answer.model,
      ...fields,
    })}\n\n`,
    chars,
  });
  const choice = (delta: Readonly<Record<string, unknown>>, chars = 0, finish: string | null = null): Frame =>
    chunk({ choices: [{ index: 0, delta, finish_reason: finish }] }, chars);
  const pieces = (name: string, text: string | undefined): readonly Frame[] =>
    toChunks(text ?? "", answer.chunkChars).map((piece) => choice({ [name]: piece }, piece.length));
  return [
    choice({ role: "assistant", content: "" }),
    ...pieces("reasoning", answer.reasoning),
    ...pieces("refusal", answer.refusal),
    ...pieces("content", answer.text),
    ...answer.toolCalls.flatMap((call, index) => [
      choice({ tool_calls: [{ index, id: call.id, type: "function", function: { name: call.name, arguments: "" } }] }),
      ...toChunks(call.argumentsJson, answer.chunkChars).map((piece) =>
        choice({ tool_calls: [{ index, function: { arguments: piece } }] }, piece.length),
      ),
    ]),
    choice({}, 0, toFinishReason(answer)),
    ...(includesUsage ? [chunk({ choices: [], usage: toUsage(answer) })] : []),
    { data: "data: [DONE]\n\n", chars: 0 },
  ];
}

/** Chat Completions has no `failed`: the nearest thing is an answer that stops. */
function toFinishReason(answer: Answer): string {
  if (answer.finishReason === "length" || answer.finishReason === "content_filter") return answer.finishReason;
  return answer.toolCalls.length > 0 ? "tool_calls" : "stop";
}

const toMessage = (answer: Answer): Readonly<Record<string, unknown>> => ({
  role: "assistant",
  content: answer.text ?? null,
  refusal: answer.refusal ?? null,
  ...(answer.reasoning === undefined ? {} : { reasoning: answer.reasoning }),
  ...(answer.toolCalls.length === 0
    ? {}
    : {
        tool_calls: answer.toolCalls.map((call) => ({
          id: call.id,
          type: "function",
          function: { name: call.name, arguments: call.argumentsJson },
        })),
      }),
});

const toUsage = ({ usage }: Answer): Readonly<Record<string, unknown>> => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
  prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
  completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
});
