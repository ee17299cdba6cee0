/** An answer of the Messages API as the SDK's items. */
import { type ModelResponse, type StreamEvent, Usage } from "@openai/agents";
import type { Block, Message } from "./wire.ts";

/** The stream's types are the narrower ones: what fits them fits a whole response. */
type Done = Extract<StreamEvent, { type: "response_done" }>["response"];
type OutputItem = Done["output"][number];
type Counts = Pick<Done["usage"], "inputTokens" | "outputTokens" | "totalTokens"> & {
  readonly requests: number;
  readonly inputTokensDetails: Record<string, number>;
};

export const toModelResponse = (message: Message, requestId: string | undefined): ModelResponse => ({
  usage: new Usage(toUsage(message)),
  output: toOutput(message),
  responseId: message.id,
  ...(requestId === undefined ? {} : { requestId }),
  providerData: message,
  rawUsage: message.usage,
});

/** Anthropic counts cached input apart; everywhere else in the SDK it is a part of the input. */
export function toUsage({ usage }: Pick<Message, "usage">): Counts {
  const cached = usage.cache_read_input_tokens ?? 0;
  const written = usage.cache_creation_input_tokens ?? 0;
  const inputTokens = (usage.input_tokens ?? 0) + cached + written;
  const outputTokens = usage.output_tokens ?? 0;
  return {
    requests: 1,
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    inputTokensDetails: { cached_tokens: cached, cache_write_tokens: written },
  };
}

export function toOutput({ id, content, stop_reason }: Message): OutputItem[] {
  if (stop_reason === "refusal") return [toSpoken(id, [{ type: "refusal", refusal: textOf(content) || "The model declined to answer." }])];
  return content.flatMap((block, index): OutputItem[] => {
    if (block.type === "text") return block.text === "" ? [] : [toSpoken(`${id}_${index}`, [{ type: "output_text", text: block.text }])];
    if (block.type === "tool_use") {
      const args = JSON.stringify(block.input ?? {});
      return [{ type: "function_call", callId: block.id, name: block.name, arguments: args, status: "completed" }];
    }
    const rawContent = block.type === "thinking" ? [{ type: "reasoning_text" as const, text: block.thinking }] : [];
    return [{ type: "reasoning", content: [], rawContent, providerData: { anthropic: block } }];
  });
}

type Spoken = Extract<OutputItem, { role: "assistant" }>;

const toSpoken = (id: string, content: Spoken["content"]): Spoken => ({
  type: "message",
  role: "assistant",
  id,
  status: "completed",
  content,
});

const textOf = (content: readonly Block[]): string => content.map((block) => (block.type === "text" ? block.text : "")).join("");
