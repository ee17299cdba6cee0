/** The scripted model as one simulated worker reaches it: answers by plan, in pieces, with failures that the chaos asks for. */
import type { Model, ModelRequest, StreamEvent } from "@openai/agents";
import { Usage } from "@openai/agents";
import { type Answer, answerTo } from "./plan.ts";
import type { Actor, Scheduler } from "./scheduler.ts";

export type ModelFault = "rate-limited" | "short-rate-limit" | "failed" | "broken-stream" | "bad-answer" | undefined;

export interface ModelDeps {
  readonly actor: Actor;
  readonly scheduler: Scheduler;
  /** Asked at each call. */
  readonly fault: (final: boolean) => ModelFault;
  /** Told of each call before it is served, with a text that is the same for the same question. */
  readonly onCall: (question: string) => void;
}

export const USAGE = { requests: 1, inputTokens: 10, outputTokens: 5, totalTokens: 15 } as const;
const BAD_ANSWER = "this is no JSON";

export function scriptedModel(deps: ModelDeps): Model {
  return {
    async getResponse(request) {
      const { answer } = await ask(deps, request);
      return { usage: new Usage(USAGE), output: answer.output, responseId: "scripted" };
    },
    async *getStreamedResponse(request): AsyncIterable<StreamEvent> {
      const { answer, fault } = await ask(deps, request);
      yield { type: "response_started" };
      const half = Math.ceil(answer.text.length / 2);
      for (const delta of [answer.text.slice(0, half), answer.text.slice(half)]) {
        if (delta === "") continue;
        yield { type: "output_text_delta", delta };
        await step(deps, request, "model sends text");
        if (fault === "broken-stream") throw connectionLost();
      }
      // The stream's schema and ModelResponse describe the same items; only optional fields are spelled `| undefined`.
      yield { type: "response_done", response: { id: "scripted", usage: USAGE, output: answer.output } } as StreamEvent;
    },
  };
}

async function ask(deps: ModelDeps, request: ModelRequest): Promise<{ answer: Answer; fault: ModelFault }> {
  const input = withoutRejections(request.input);
  const answer = answerTo(input, request.outputType !== "text");
  deps.onCall(JSON.stringify(input));
  await step(deps, request, "→ model");
  const fault = deps.fault(answer.final && request.outputType !== "text");
  if (fault !== undefined) deps.scheduler.note(`  the model is ${fault}`);
  if (fault === "rate-limited") throw Object.assign(new Error("Slow down."), { status: 429, headers: { "retry-after": "20" } });
  if (fault === "short-rate-limit") throw Object.assign(new Error("Slow down."), { status: 429, headers: { "retry-after-ms": "800" } });
  if (fault === "failed") throw Object.assign(new Error("The provider failed."), { status: 500 });
  await step(deps, request, "← model");
  if (fault !== "bad-answer") return { answer, fault };
  const output: Answer["output"] = [
    { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: BAD_ANSWER }] },
  ];
  return { answer: { text: BAD_ANSWER, output, final: true }, fault };
}

/** A model that is told why its last answer was rejected is asked the same question still. */
function withoutRejections(input: ModelRequest["input"]): ModelRequest["input"] {
  if (typeof input === "string") return input;
  const isTold = (index: number): boolean => {
    const item = input[index];
    return (
      item !== undefined && "content" in item && typeof item.content === "string" && item.content.startsWith("That answer cannot be used.")
    );
  };
  return input.filter((_item, index) => !isTold(index) && !isTold(index + 1));
}

/** An answer that nobody waits for any more does not come. */
async function step({ scheduler, actor }: ModelDeps, { signal }: ModelRequest, label: string): Promise<void> {
  await scheduler.point(actor, label);
  if (signal?.aborted) throw Object.assign(new Error("The call was aborted."), { name: "AbortError", cause: signal.reason });
}

const connectionLost = (): Error =>
  Object.assign(new Error("The connection was lost."), { name: "APIConnectionError", code: "ECONNRESET" });
