/** What guards a run and what its answer must look like holds on a real Redis, across workers that are killed. */
import { expect, test } from "vitest";
import { createProducer } from "../../src/producer.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";
import type { fleet } from "../support/fleets/answers-fleet.ts";
import { createGate, setup } from "../support/process-bundle.ts";
import { ANSWERS_FLEET } from "../support/processes.ts";

async function setupAnswers(reply: (call: FakeCall, nth: number) => FakeReply | Promise<FakeReply>) {
  const calls: FakeCall[] = [];
  const callsOf = (model: string): FakeCall[] => calls.filter((call) => call.model === model);
  const bundle = await setup((call) => {
    calls.push(call);
    return reply(call, callsOf(call.model).length - 1);
  });
  const producer = createProducer<typeof fleet>({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  return {
    producer,
    worker: () => bundle.worker({ fleet: ANSWERS_FLEET }),
    callsOf,
    async [Symbol.asyncDispose]() {
      await producer.close();
      await bundle[Symbol.asyncDispose]();
    },
  };
}

const verdict = (breaks: boolean): FakeReply => ({ text: JSON.stringify({ breaks, reason: "It is about the weather." }) });

test("a guardrail that trips blocks the run before its model is paid, and says what it found to everybody who looks", {
  tags: ["processes"],
}, async () => {
  await using bundle = await setupAnswers(() => verdict(true));
  await bundle.worker();
  const run = await bundle.producer.submit("guarded", "Will it rain?");
  const guardrail = { name: "on-topic", kind: "input", info: { reason: "It is about the weather." } };
  expect(await run.result()).toMatchObject({ status: "blocked", agent: "guarded", guardrail, usage: { requests: 1 } });
  expect(await run.status()).toMatchObject({ status: "blocked", error: { code: "GUARDRAIL_TRIPPED", guardrail } });
  const events = await bundle.producer.store.events(run.id, "0-0", 100);
  expect(events.at(-1)?.event).toMatchObject({ type: "run.blocked", error: { guardrail } });
  expect(bundle.callsOf("guarded-model")).toEqual([]);
});

test("I4: what a guardrail asked a model is not asked again after its worker was SIGKILLed", { tags: ["processes"] }, async () => {
  const gate = createGate();
  await using bundle = await setupAnswers(async ({ model }, nth) => {
    if (model === "judge-model") return verdict(false);
    if (nth === 0) await gate.wait();
    return { text: "It is on its way." };
  });
  const first = await bundle.worker();
  const run = await bundle.producer.submit("guarded", "Where is my order?");
  await gate.reached;
  await first.kill("SIGKILL");
  gate.open();
  await bundle.worker();
  expect(await run.result()).toMatchObject({ status: "completed", output: "It is on its way.", usage: { requests: 2 } });
  expect(bundle.callsOf("judge-model")).toHaveLength(1);
  expect(bundle.callsOf("guarded-model")).toHaveLength(2);
});

test("I4: a rejected answer stays rejected, and its reason is told again, after the worker of the next sample was SIGKILLed", {
  tags: ["processes"],
}, async () => {
  const gate = createGate();
  await using bundle = await setupAnswers(async (_call, nth) => {
    if (nth === 0) return { text: '{"n":"one"}' };
    if (nth === 1) await gate.wait();
    return { text: 'Here:\n```json\n{"n":1}\n```' };
  });
  const first = await bundle.worker();
  const run = await bundle.producer.submit("counter", "How many?");
  await gate.reached;
  await first.kill("SIGKILL");
  gate.open();
  await bundle.worker();
  expect(await run.result()).toMatchObject({ status: "completed", output: { n: 1 } });
  const calls = bundle.callsOf("counter-model");
  expect(calls).toHaveLength(3);
  expect(calls.map((call) => call.lastUserText.includes("At n: Invalid input: expected number, received string."))).toEqual([
    false,
    true,
    true,
  ]);
  expect((await bundle.producer.store.items(run.id)).join("")).not.toContain("cannot be used");
});

test("an answer that never fits ends the run with the last one kept for reading", { tags: ["processes"] }, async () => {
  await using bundle = await setupAnswers((_call, nth) => ({ text: `no ${nth}` }));
  await bundle.worker();
  const run = await bundle.producer.submit("counter", "How many?");
  expect(await run.result()).toMatchObject({ status: "failed", error: { code: "MODEL_OUTPUT_INVALID", answer: "no 2" } });
  expect(bundle.callsOf("counter-model")).toHaveLength(3);
});

test("an input that breaks its schema, from a producer without the agent's code, ends the run before a model is paid", {
  tags: ["processes"],
}, async () => {
  await using bundle = await setupAnswers(() => ({ text: "done" }));
  await bundle.worker();
  const good = await bundle.producer.submit("clerk", { order: 7 });
  expect(await good.result()).toMatchObject({ status: "completed", output: "done" });
  const bad = await bundle.producer.submit("clerk", { order: 7.5 });
  expect(await bad.result()).toMatchObject({
    status: "failed",
    error: { code: "INPUT_INVALID", message: expect.stringContaining("input.order: Invalid input: expected int, received number") },
  });
  expect(bundle.callsOf("clerk-model")).toHaveLength(1);
});
