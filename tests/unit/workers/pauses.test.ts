/** A paused run finishes its present step and nothing more; a resumed one goes on where it was, and pays nothing twice. */
import { Agent, type Model, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { handleIncident } from "../../../examples/stopping/incident.ts";
import { createFleet, LIMITS, toolPolicy } from "../../../src/index.ts";
import { createRunProducer } from "../../../src/producers/run-producer.ts";
import { reconcile } from "../../../src/workers/reconciler.ts";
import { createMemoryLiveText } from "../../../src/testing/memory-live-text.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createMemoryWakeQueue } from "../../../src/testing/memory-wake-queue.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { counted } from "../../support/dying-store.ts";
import { answer, call, say } from "../../support/script.ts";

const ann = { by: "ann", reason: "it answers nonsense" };

/** A tool that does something beside its work. */
const doing = (name: string, ran: string[], work: () => Promise<unknown>) =>
  tool({
    name,
    description: name,
    parameters: z.object({}),
    execute: async () => {
      ran.push(name);
      await work();
      return `${name} done`;
    },
  });

test.each(["run", "agent", "tenant"] as const)(
  "I4 I5: a run that is paused with its %s in a tool ends that step, parks, and goes on without a call or an effect made twice",
  async (scope) => {
    const ran: string[] = [];
    const pause = async (): Promise<unknown> =>
      scope === "run" ? run.pause(ann) : fleet.pause(scope === "agent" ? { agent: "a" } : { tenant: "acme" }, ann);
    const model = new ScriptedModel([call("charge"), call("ship"), say("done")]);
    const a = new Agent({ name: "a", model: "m", tools: [doing("charge", ran, pause), counted("ship", ran)] });
    const b = new Agent({ name: "b", model: "n" });
    const fleet = testFleet(createFleet({ agents: { a, b } }), { models: { m: model, n: new ScriptedModel([say("fine")]) } });
    const run = await fleet.submit("a", "go", { tenant: "acme" });
    await fleet.settle();
    expect(await fleet.info(run.id)).toMatchObject({ status: "paused", pause: { scope, ...ann }, turns: 1, retries: 0, deaths: 0 });
    expect(ran).toEqual(["charge"]);
    expect(await fleet.complete("b", "go", { tenant: "other" })).toMatchObject({ status: "completed" });
    if (scope === "run") expect(await run.resume()).toEqual({ status: "resumed" });
    else expect(await fleet.resume(scope === "agent" ? { agent: "a" } : { tenant: "acme" })).toEqual({ status: "resumed", runs: 1 });
    await fleet.settle();
    expect(await fleet.info(run.id)).toMatchObject({ status: "completed", retries: 0, deaths: 0 });
    expect(ran).toEqual(["charge", "ship"]);
    expect(model.calls).toHaveLength(3);
  },
);

test("I4: a paused run waits for every model call that is under way, so that none is paid twice", async () => {
  const inner = (name: string): Agent => new Agent({ name, model: name });
  const [first, second] = [inner("first"), inner("second")];
  const released = Promise.withResolvers<void>();
  let asked = 0;
  const late = new ScriptedModel([say("second says")]);
  const slow: Model = {
    async getResponse(request) {
      asked += 1;
      const aborted = new Promise((_resolve, reject) => request.signal?.addEventListener("abort", () => reject(new Error("aborted"))));
      await Promise.race([released.promise, aborted]);
      return late.getResponse(request);
    },
    getStreamedResponse: (request) => late.getStreamedResponse(request),
  };
  const models = {
    first: new ScriptedModel([say("first says")]),
    second: slow,
    m: new ScriptedModel([
      answer(functionCall("first", { input: "x" }, { callId: "1" }), functionCall("second", { input: "x" }, { callId: "2" })),
      say("both said"),
    ]),
  };
  const a = new Agent({
    name: "a",
    model: "m",
    tools: [first.asTool({ toolName: "first", toolDescription: "1" }), second.asTool({ toolName: "second", toolDescription: "2" })],
  });
  let paused = false;
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models,
    wrapStore: (store) => ({
      ...store,
      async record(fact) {
        // The first nested answer is recorded while the second is still being made.
        if (!paused && fact.turns === 0) {
          paused = true;
          await store.pause(fact.runId, ann);
          const reply = await store.record(fact);
          // Whoever lets go of the run has done so by then.
          setImmediate(released.resolve);
          return reply;
        }
        return store.record(fact);
      },
    }),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await fleet.info(run.id)).toMatchObject({ status: "paused" });
  await run.resume();
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "both said" });
  expect(asked).toBe(1);
  expect(models.first.calls).toHaveLength(1);
});

test("an approval that is given while the run is paused is kept, and its tool runs after the resume", async () => {
  const ran: string[] = [];
  const refund = toolPolicy(counted("refund", ran, { needsApproval: true }), { onCrash: "ask" });
  const a = new Agent({ name: "a", model: "m", tools: [refund] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([call("refund"), say("refunded")]) } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.pause(ann)).toEqual({ status: "paused" });
  await run.approve((await run.status()).approvals[0]?.callId ?? "");
  await fleet.settle();
  expect(await run.status()).toMatchObject({ status: "paused", pause: ann });
  expect(ran).toEqual([]);
  await run.resume();
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["refund"]);
});

test("I8: deadlines go on while a run is paused", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([]) } });
  const run = await fleet.submit("a", "go", { deadlineMs: 60_000 });
  await run.pause(ann);
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "expired" });
});

test("I3: a resume of thousands whose resumer dies in the middle is finished by the workers, oldest first and each once", async () => {
  const clock = createVirtualClock();
  const store = createMemoryRunStore({ clock });
  const queue = createMemoryWakeQueue();
  const deps = { store, queue, live: createMemoryLiveText(), clock, agents: new Map([["a", { queue: "default", version: "1" }]]) };
  const producer = createRunProducer(deps);
  await producer.pause({ tenant: "acme" }, ann);
  const ids: string[] = [];
  const requests = Array.from({ length: 2_000 }, () => ({ agent: "a", input: "go", tenant: "acme" }));
  for await (const submitted of producer.submitMany(requests)) if ("run" in submitted) ids.push(submitted.run.id);
  for (const runId of ids) {
    queue.take("default");
    await store.begin({ runId, wake: 0, token: runId, workerId: "w", leaseMs: 1_000, maxDeaths: 3 });
  }
  let pages = 0;
  const dying = {
    ...store,
    async unpark(...args: Parameters<typeof store.unpark>) {
      pages += 1;
      if (pages > 3) throw new Error("killed");
      return store.unpark(...args);
    },
  };
  await expect(createRunProducer({ ...deps, store: dying }).resume({ tenant: "acme" })).rejects.toThrow("killed");
  expect(queue.size("default")).toBe(600);
  for (let round = 0; round < 20; round += 1)
    await reconcile({ store, queue, clock, log: silentLog }, { retentionMs: 1_000, maxDeaths: 3 });
  const taken = ids.map(() => queue.take("default")?.runId);
  expect(taken).toEqual(ids.toSorted());
  expect(queue.size("default")).toBe(0);
  expect(await store.list({ status: "paused", limit: 10 })).toEqual([]);
});

test("what is not a scope, a note or a filter is refused with its place", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([]) } });
  const wrong = { code: "INPUT_INVALID" };
  await expect(fleet.pause({ agent: "a", tenant: "b" }, ann)).rejects.toMatchObject(wrong);
  await expect(fleet.pause({ agent: "a" }, { by: "" })).rejects.toMatchObject({ ...wrong, at: "by" });
  await expect(fleet.pause({ agent: "a" }, { by: "x", reason: "y".repeat(LIMITS.reasonChars + 1) })).rejects.toMatchObject({
    ...wrong,
    at: "reason",
  });
  await expect(fleet.cancelMany({})).rejects.toMatchObject({ ...wrong, at: "filter" });
  await expect(fleet.cancelMany({ status: "failed" as never })).rejects.toMatchObject({ ...wrong, at: "status" });
  for (let index = 0; index < 1_000; index += 1) await fleet.store.pauseScope({ tenant: `t${index}` }, ann);
  await expect(fleet.pause({ agent: "a" }, ann)).rejects.toMatchObject({ code: "INPUT_TOO_LARGE" });
});

test("I8 I11: cancelMany ends the live runs that match, in every state, and no others", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const b = new Agent({ name: "b", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a, b } }), { models: { m: new ScriptedModel([]) } });
  const submit = (agent: "a" | "b", tenant: string) => fleet.submit(agent, "go", { tenant });
  const runs = { queued: await submit("a", "acme"), running: await submit("a", "acme"), paused: await submit("a", "acme") };
  await fleet.store.begin({ runId: runs.running.id, wake: 0, token: "t", workerId: "w", leaseMs: 60_000, maxDeaths: 3 });
  await runs.paused.pause(ann);
  const spared = [await submit("b", "acme"), await submit("a", "other")];
  const filter = { agent: "a", tenant: "acme" };
  expect(await fleet.countCancellable(filter)).toBe(3);
  expect(await fleet.countCancellable({ ...filter, status: "paused" })).toBe(1);
  expect(await fleet.cancelMany(filter)).toEqual({ cancelled: 2, requested: 1, alreadyFinal: 0 });
  for (const run of spared) expect((await run.status()).status).toBe("queued");
  expect(await runs.running.status()).toMatchObject({ status: "running", cancelRequested: true });
});

test("docs/how-to/stopping.md: an incident ends with one tenant's runs called off and the others done", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([say("mended")]) } });
  const [unwanted, wanted] = [await fleet.submit("a", "go", { tenant: "acme" }), await fleet.submit("a", "go", { tenant: "other" })];
  const mend = async (): Promise<void> => {
    await fleet.settle();
    expect(await wanted.status()).toMatchObject({ status: "paused", pause: { by: "on call" } });
  };
  expect(await handleIncident(fleet, "a", "acme", mend)).toBe(1);
  await fleet.settle();
  expect(await unwanted.result()).toMatchObject({ status: "cancelled" });
  expect(await wanted.result()).toMatchObject({ status: "completed", output: "mended" });
});
