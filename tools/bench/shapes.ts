/** The runs that are measured, as plain SDK agents with a model that answers at once: what remains is the engine. */
import { Agent, type Model, type ModelRequest, type ModelResponse, tool, Usage } from "@openai/agents";
import { z } from "zod";
import { toolPolicy } from "../../src/index.ts";

export const SHAPES = ["oneTurn", "fiveTurns", "threeHops"] as const;
export type Shape = (typeof SHAPES)[number];

const message = (text: string): ModelResponse["output"] => [
  { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text }] },
];
const functionCall = (name: string, callId: string): ModelResponse["output"] => [
  { type: "function_call", name, callId, arguments: "{}", status: "completed" },
];

/** Counts the tool results in the request and answers by them; a pure function of the request, so that a replay agrees. */
export function instantModel(plan: (request: ModelRequest, results: number) => ModelResponse["output"]): Model {
  const answer = (request: ModelRequest): ModelResponse => {
    const items = Array.isArray(request.input) ? request.input : [];
    const results = items.filter((item) => item.type === "function_call_result").length;
    return { usage: new Usage({ requests: 1, inputTokens: 100, outputTokens: 20, totalTokens: 120 }), output: plan(request, results) };
  };
  return {
    getResponse: async (request) => answer(request),
    async *getStreamedResponse(request) {
      const { usage, output } = answer(request);
      yield { type: "response_started" };
      // The same items under the stream's schema.
      yield { type: "response_done", response: { id: "instant", usage, output } } as never;
    },
  };
}

const note = tool({ name: "note", description: "Notes something.", parameters: z.object({}), execute: async () => "noted" });
const repeatable = toolPolicy(note, { onCrash: "idempotent" });

/** `turns` model calls, all but the last with a tool call. */
export const workerModel = (turns: number): Model =>
  instantModel((_request, results) => (results < turns - 1 ? functionCall("note", `c${results}`) : message("done")));

export interface BenchGraph {
  readonly agents: Readonly<Record<string, Agent>>;
  readonly entry: Agent;
  readonly model: Model;
}

export function graphOf(shape: Shape): BenchGraph {
  if (shape !== "threeHops") {
    const a = new Agent({ name: "a", instructions: "Work.", model: "m", tools: [repeatable] });
    return { agents: { a }, entry: a, model: workerModel(shape === "oneTurn" ? 1 : 5) };
  }
  const c = new Agent({ name: "c", instructions: "Third.", model: "m" });
  const b = new Agent({ name: "b", instructions: "Second.", model: "m", handoffs: [c] });
  const a = new Agent({ name: "a", instructions: "First.", model: "m", handoffs: [b] });
  const model = instantModel(({ handoffs }) => {
    const [next] = handoffs;
    return next === undefined ? message("done") : functionCall(next.toolName, `h-${next.toolName}`);
  });
  return { agents: { a, b, c }, entry: a, model };
}
