/** Fleets whose effects are counted by the keys under which they ran, and models that fail when told to. */
import { Agent, type Model, tool } from "@openai/agents";
import { functionCall, type ScriptedModel } from "@openai/agents/testing";
import { z } from "zod";
import { RECEIPT_KEY } from "../../src/protocol/receipt.ts";
import { createFleet, currentCall, toolPolicy } from "../../src/index.ts";
import { testFleet } from "../../src/testing/test-fleet.ts";

/** A tool that notes the keys under which it ran. */
export const paying = (keys: string[], onCrash: "idempotent" | "ask" = "idempotent") =>
  toolPolicy(
    tool({
      name: "pay",
      description: "Pays.",
      parameters: z.object({ cents: z.int().nullable() }),
      execute: async ({ cents }) => {
        keys.push(currentCall()?.idempotencyKey ?? "");
        return `paid ${cents ?? "all"}`;
      },
    }),
    { onCrash },
  );

export const pay = (cents: number | null, id = "c") => [functionCall("pay", { cents }, { callId: id })];
const broken = (): Error => Object.assign(new Error("no credit"), { status: 401 });

/** Fails for good on the calls of this list, and goes on with the script on the others. */
export function failing(model: ScriptedModel, on: Set<number>): Model {
  let calls = 0;
  return {
    getResponse: (request) => (on.has(++calls) ? Promise.reject(broken()) : model.getResponse(request)),
    getStreamedResponse: (request) => {
      if (on.has(++calls)) throw broken();
      return model.getStreamedResponse(request);
    },
  };
}

/** A model whose every answer has a receipt. */
export const priced = (script: ScriptedModel, costMicroUsd: number): Model => ({
  getResponse: (request) => script.getResponse(request),
  async *getStreamedResponse(request) {
    const providerData = { [RECEIPT_KEY]: { provider: "p", costSource: "prices", costMicroUsd } };
    for await (const event of script.getStreamedResponse(request))
      yield event.type === "response_done" ? { ...event, response: { ...event.response, providerData } } : event;
  },
});

/** Two hops, three turns; the second hop's tool changes the context. */
export function twoHops(keys: string[], script: Model, others: Record<string, Model> = {}) {
  const mark = toolPolicy(
    tool({
      name: "mark",
      description: "Marks.",
      parameters: z.object({}),
      execute: async (_args, context) => {
        const seen = context?.context as { marks: number };
        seen.marks += 1;
        return `marked ${seen.marks}`;
      },
    }),
    { onCrash: "idempotent" },
  );
  const b = new Agent({ name: "b", model: "m", tools: [paying(keys), mark] });
  const a = new Agent({ name: "a", model: "m", handoffs: [b] });
  return testFleet(createFleet({ agents: { a, b } }), { models: { m: script, ...others } });
}

export const handOff = () => [functionCall("transfer_to_b", {}, { callId: "h" })];
