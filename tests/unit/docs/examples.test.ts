/** The examples that documents quote do what the documents say. The quick start itself runs in tests/integration. */
import { Agent } from "@openai/agents";
import { functionCall, assistantMessage, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { payTools, type Payments } from "../../../examples/quick-start/policies.ts";
import { createFleet } from "../../../src/index.ts";
import type { RunStore } from "../../../src/protocol/run-store.ts";
import { testFleet } from "../../../src/testing/index.ts";
import { readText } from "./pages.ts";

test("the README counts the tickets that the demo has", () => {
  const tickets = readText("examples/support-desk/tickets.jsonl").trim().split("\n").length;
  expect(readText("README.md")).toContain(`a support desk's ${tickets} tickets`);
  expect(readText("README.md")).toContain(`${tickets} tickets, ${tickets} results, one each`);
});

test("the example of docs/testing-agents.md passes", async () => {
  await expect(import("../../../examples/quick-start/check.ts")).resolves.toBeDefined();
});

/** Loses the first tool result, as a worker that died just before it was stored. */
function losesFirstResult(store: RunStore): RunStore {
  const dead = new Set<string>();
  return {
    ...store,
    async record(fact) {
      if (dead.size === 0 && fact.key.startsWith("t:")) dead.add(fact.token);
      if (dead.has(fact.token)) throw new Error("the worker is dead");
      return store.record(fact);
    },
    async end(command) {
      if (dead.has(command.token)) throw new Error("the worker is dead");
      return store.end(command);
    },
  };
}

async function payAcrossACrash(policy: keyof ReturnType<typeof payTools>) {
  const payments = new Map<string, string>();
  let asked = 0;
  const client: Payments = {
    pay: async ({ idempotencyKey }) => {
      asked += 1;
      const paymentId = payments.get(idempotencyKey) ?? `p-${payments.size + 1}`;
      payments.set(idempotencyKey, paymentId);
      return { paymentId };
    },
    find: async (key) => {
      const paymentId = payments.get(key);
      return paymentId === undefined ? undefined : { paymentId };
    },
  };
  const payer = new Agent({ name: "payer", model: "m", tools: [payTools(client)[policy]] });
  const model = new ScriptedModel([[functionCall("pay", { amountCents: 100 }, { callId: "c1" })], [assistantMessage("paid")]]);
  const fleet = testFleet(createFleet({ agents: { payer } }), { models: { m: model }, wrapStore: losesFirstResult });
  const run = await fleet.submit("payer", "pay");
  await fleet.settle();
  return { status: (await run.status()).status, asked, paid: payments.size };
}

test("docs/how-to/tools-that-act.md: after a crash each policy does what its row says, and nobody is paid twice", async () => {
  expect(await payAcrossACrash("repeats")).toEqual({ status: "completed", asked: 2, paid: 1 });
  expect(await payAcrossACrash("asks")).toEqual({ status: "suspended", asked: 1, paid: 1 });
  expect(await payAcrossACrash("looksUp")).toEqual({ status: "completed", asked: 1, paid: 1 });
});
