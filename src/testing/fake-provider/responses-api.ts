/** An answer in the form of OpenAI's Responses API: one object, or the events that build it. */
import { type Answer, type Frame, toChunks } from "./reply.ts";

/** Fixed, so that the same call gives the same bytes. */
const CREATED_AT_SECONDS = 1_700_000_000;

interface OutputItem {
  readonly id: string;
  readonly type: string;
  readonly [name: string]: unknown;
}

const STATUS = { stop: "completed", length: "incomplete", content_filter: "incomplete", failed: "failed" } as const;

export function toResponse(answer: Answer): Readonly<Record<string, unknown>> {
  return envelope(answer, STATUS[answer.finishReason], toOutput(answer));
}

export function toResponseFrames(answer: Answer): readonly Frame[] {
  const output = toOutput(answer);
  let sequence = 0;
  const frame = (event: { readonly type: string; readonly [name: string]: unknown }, chars = 0): Frame => ({
    data: `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: sequence++ })}\n\n`,
    chars,
  });
  const started = envelope(answer, "in_progress", []);
  const frames = [frame({ type: "response.created", response: started }), frame({ type: "response.in_progress", response: started })];
  for (const [index, item] of output.entries()) {
    const at = { item_id: item.id, output_index: index };
    frames.push(frame({ type: "response.output_item.added", output_index: index, item: toStartedItem(item) }));
    frames.push(...toItemEvents(answer, item, at).map(({ chars, ...event }) => frame(event, chars)));
    frames.push(frame({ type: "response.output_item.done", output_index: index, item }));
  }
  frames.push(frame({ type: `response.${STATUS[answer.finishReason]}`, response: toResponse(answer) }));
  return frames;
}

function envelope(answer: Answer, status: string, output: readonly OutputItem[]): Readonly<Record<string, unknown>> {
  const { usage, finishReason } = answer;
  const isDone = status !== "in_progress";
  return {
    id: `resp_${answer.id}`,
    object: "response",
    created_at: CREATED_AT_SECONDS,
    status,
    error: status === "failed" ? { code: "server_error", message: "The model failed." } : null,
    incomplete_details: status === "incomplete" ? { reason: finishReason === "length" ? "max_output_tokens" : "content_filter" } : null,
    model: answer.model,
    output,
    parallel_tool_calls: true,
    tool_choice: "auto",
    tools: [],
    usage: isDone
      ? {
          input_tokens: usage.inputTokens,
          input_tokens_details: { cached_tokens: usage.cachedInputTokens },
          output_tokens: usage.outputTokens,
          output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
          total_tokens: usage.inputTokens + usage.outputTokens,
        }
      : null,
  };
}

function toOutput(answer: Answer): readonly OutputItem[] {
  const { id, reasoning, text, refusal } = answer;
  const status = answer.finishReason === "stop" ? "completed" : "incomplete";
  const content = [
    ...(text === undefined ? [] : [{ type: "output_text", text, annotations: [] }]),
    ...(refusal === undefined ? [] : [{ type: "refusal", refusal }]),
  ];
  return [
    ...(reasoning === undefined ? [] : [{ id: `rs_${id}`, type: "reasoning", summary: [{ type: "summary_text", text: reasoning }] }]),
    ...(content.length === 0 ? [] : [{ id: `msg_${id}`, type: "message", role: "assistant", status, content }]),
    ...answer.toolCalls.map((call, index) => ({
      id: `fc_${id}_${index}`,
      type: "function_call",
      call_id: call.id,
      name: call.name,
      arguments: call.argumentsJson,
      status: "completed",
    })),
  ];
}

function toStartedItem(item: OutputItem): OutputItem {
  if (item.type === "reasoning") return { ...item, summary: [] };
  return item.type === "message" ? { ...item, status: "in_progress", content: [] } : { ...item, status: "in_progress", arguments: "" };
}

type ItemEvent = { readonly type: string; readonly chars: number; readonly [name: string]: unknown };

function toItemEvents(answer: Answer, item: OutputItem, at: Readonly<Record<string, unknown>>): readonly ItemEvent[] {
  if (item.type === "message") return toPartEvents(answer, at);
  if (item.type !== "function_call") return [];
  const argumentsJson = String(item["arguments"]);
  const name = "response.function_call_arguments";
  return [...toDeltas(`${name}.delta`, argumentsJson, answer, at), { type: `${name}.done`, ...at, arguments: argumentsJson, chars: 0 }];
}

function toPartEvents(answer: Answer, at: Readonly<Record<string, unknown>>): readonly ItemEvent[] {
  const parts = [
    ...(answer.text === undefined ? [] : [{ name: "output_text", key: "text", value: answer.text, extra: { annotations: [] } }]),
    ...(answer.refusal === undefined ? [] : [{ name: "refusal", key: "refusal", value: answer.refusal, extra: {} }]),
  ];
  return parts.flatMap(({ name, key, value, extra }, index) => {
    const place = { ...at, content_index: index };
    return [
      { type: "response.content_part.added", ...place, part: { type: name, [key]: "", ...extra }, chars: 0 },
      ...toDeltas(`response.${name}.delta`, value, answer, place),
      { type: `response.${name}.done`, ...place, [key]: value, chars: 0 },
      { type: "response.content_part.done", ...place, part: { type: name, [key]: value, ...extra }, chars: 0 },
    ];
  });
}

const toDeltas = (type: string, text: string, { chunkChars }: Answer, at: Readonly<Record<string, unknown>>): readonly ItemEvent[] =>
  toChunks(text, chunkChars).map((delta) => ({ type, ...at, delta, chars: delta.length }));
