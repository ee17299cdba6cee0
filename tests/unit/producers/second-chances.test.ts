/** A run that failed, carried on: what was paid is kept, what was done is not done again, and the source stays as it is. */
import { Agent, type OutputGuardrail } from "@openai/agents";
import { assistantMessage, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet } from "../../../src/index.ts";
import { type TestFleet, testFleet } from "../../../src/testing/test-fleet.ts";
import { dyingStore, once } from "../../support/dying-store.ts";
import { failing, handOff, pay, paying, twoHops } from "../../support/paying.ts";
import { say } from "../../support/script.ts";

const statusOf = async (fleet: Pick<TestFleet<never>, "info">, runId: string) => (await fleet.info(runId)).status;

test("a retry goes on from the hop that failed: what was paid is replayed, and idempotent effects keep their key", async () => {
  const keys: string[] = [];
  const script = new ScriptedModel([pay(5), say("done")]);
  const a = new Agent({ name: "a", model: "m", tools: [paying(keys)] });
  // The tool ran, its result was lost, and the next attempt's model call fails for good.
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: failing(script, new Set([2])) },
  });
  const run = await fleet.submit("a", "go", { tenant: "acme", metadata: { ticket: 1 } });
  await fleet.settle();
  expect(await statusOf(fleet, run.id)).toBe("failed");
  const again = await run.retry();
  expect(again.id).not.toBe(run.id);
  await fleet.settle();
  expect(await again.result()).toMatchObject({ status: "completed", output: "done", usage: { requests: 1 } });
  expect(script.calls).toHaveLength(2);
  expect(keys).toEqual([`${run.id}/call_h0a1t0_0`]);
  expect(await fleet.info(again.id)).toMatchObject({
    tenant: "acme",
    metadata: { ticket: 1 },
    origin: { runId: run.id, kind: "retry", hop: 0, turn: 2 },
    turns: 2,
  });
  expect(await fleet.info(run.id)).toMatchObject({
    status: "failed",
    continuedAs: again.id,
    children: [{ kind: "retry", runId: again.id }],
  });
});

test("a run is retried once: a second retry answers with the first one's run", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: failing(new ScriptedModel([say("done")]), new Set([1])) } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const [one, two] = await Promise.all([run.retry(), run.retry()]);
  expect(two.id).toBe(one.id);
  await fleet.settle();
  expect(await one.output()).toBe("done");
  await expect(one.retry()).rejects.toMatchObject({ code: "RUN_COMPLETED" });
});

test("I5: an idempotent effect whose result was lost runs again in the retry under the source's key", async () => {
  const keys: string[] = [];
  let dies = true;
  const a = new Agent({ name: "a", model: "m", tools: [paying(keys)] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([pay(5), say("done")]) },
    wrapStore: dyingStore((operation, key) => dies && operation === "before record" && key.startsWith("t:")),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await fleet.info(run.id)).toMatchObject({ status: "failed", error: { code: "RUN_CRASHED" } });
  const before = keys.length;
  dies = false;
  const again = await run.retry();
  await fleet.settle();
  expect(await again.output()).toBe("done");
  expect(keys).toHaveLength(before + 1);
  expect(new Set(keys)).toEqual(new Set([`${run.id}/call_h0a1t0_0`]));
});

test("I5: an effect that may have happened is asked about again in the retry", async () => {
  const keys: string[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [paying(keys, "ask")] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([pay(5), say("done")]) },
    wrapStore: dyingStore(once((operation, key) => operation === "before record" && key.startsWith("t:"))),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  await run.resolve(undefined, { type: "fail" });
  expect(await statusOf(fleet, run.id)).toBe("failed");
  const again = await run.retry();
  await fleet.settle();
  const info = await fleet.info(again.id);
  expect(info).toMatchObject({ status: "suspended", suspension: "effect-unknown", openIntents: [{ tool: "pay" }] });
  await again.resolve(info.openIntents[0]?.callId, { type: "not-run" });
  await fleet.settle();
  expect(await again.output()).toBe("done");
  expect(keys).toEqual([`${run.id}/call_h0a1t0_0`, `${run.id}/call_h0a1t0_0`]);
});

test("a retry samples the answer anew that made the run fail, and no other", async () => {
  const bad = [assistantMessage("no JSON")];
  const script = new ScriptedModel([pay(5), bad, bad, bad, [assistantMessage('{"n":1}')]]);
  const keys: string[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [paying(keys)], outputType: z.object({ n: z.int() }) });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: script } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await fleet.info(run.id)).toMatchObject({ status: "failed", error: { code: "MODEL_OUTPUT_INVALID" } });
  const again = await run.retry();
  await fleet.settle();
  expect(await again.output()).toEqual({ n: 1 });
  expect(script.calls).toHaveLength(5);
  expect(keys).toHaveLength(1);
});

test("a blocked run's answer is kept: the guardrails that are there now look at it again", async () => {
  let isStrict = true;
  const strict: OutputGuardrail = { name: "strict", execute: async () => ({ tripwireTriggered: isStrict, outputInfo: {} }) };
  const script = new ScriptedModel([say("done")]);
  const a = new Agent({ name: "a", model: "m", outputGuardrails: [strict] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: script } });
  const run = await fleet.submit("a", "go", { conversation: "c" });
  await fleet.settle();
  const again = await run.retry();
  await fleet.settle();
  expect(await statusOf(fleet, again.id)).toBe("blocked");
  isStrict = false;
  const third = await again.retry();
  await fleet.settle();
  expect(await third.output()).toBe("done");
  expect(script.calls).toHaveLength(1);
  expect(await fleet.conversations.turns("c")).toMatchObject([{ id: third.id, type: "run" }]);
});

test("a retry after the code was changed keeps what was paid and goes on with the new code", async () => {
  const keys: string[] = [];
  const script = new ScriptedModel([pay(5), say("done")]);
  const models = { m: failing(script, new Set([2])) };
  const before = createFleet({ agents: { a: new Agent({ name: "a", model: "m", instructions: "old", tools: [paying(keys)] }) } });
  const agents = before.catalog as Map<string, unknown>;
  const fleet = testFleet(before, { models });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const after = createFleet({ agents: { a: new Agent({ name: "a", model: "m", instructions: "new", tools: [paying(keys)] }) } });
  agents.set("a", after.catalog.get("a"));
  const again = await run.retry();
  await fleet.settle();
  expect(await again.output()).toBe("done");
  expect(script.calls[1]?.request.systemInstructions).toBe("new");
  expect(keys).toHaveLength(1);
});

test("what cannot be made anew is said plainly", async () => {
  const fleet = twoHops([], new ScriptedModel([handOff(), pay(5), say("old")]));
  const run = await fleet.submit("a", "go", { tenant: "acme", context: { marks: 0 } });
  await expect(run.retry()).rejects.toMatchObject({ code: "RUN_LIVE" });
  await fleet.settle();
  await expect(run.fork({ turn: 9 })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "turn" });
  await expect(run.fork({ turn: 0 })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "turn" });
  await expect(run.fork({ turn: 3, agent: "a" })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "agent" });
  await expect(run.replay({ tenant: "other" })).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
  await fleet.remove(run.id);
  await expect(run.replay()).rejects.toMatchObject({ code: "RUN_EXPIRED" });
  await expect(fleet.run("nope").replay()).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
});

test("failures are counted by code and agent, and leave the list when they are retried", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: failing(new ScriptedModel([say("1"), say("2"), say("3")]), new Set([1, 2, 3])) },
  });
  const runs = [];
  for (const tenant of ["acme", "acme", "other"]) runs.push(await fleet.submit("a", "go", { tenant }));
  await fleet.settle();
  expect(await fleet.failures()).toMatchObject([{ agent: "a", count: 3, newest: runs[2]?.id }]);
  const [group] = await fleet.failures({ tenant: "acme" });
  expect(group?.count).toBe(2);
  const answers = [];
  for await (const answer of fleet.retryMany({ code: group?.code ?? "", tenant: "acme" })) answers.push(answer);
  expect(answers.map(({ runId }) => runId)).toEqual([runs[1]?.id, runs[0]?.id]);
  await fleet.settle();
  expect(await fleet.failures()).toMatchObject([{ count: 1, newest: runs[2]?.id }]);
});
