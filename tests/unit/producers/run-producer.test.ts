/** Guards the producer's side of I3 (a submit that was answered is durable) and I9 (bounded memory, limits that are named). */
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/clock.ts";
import { RunError } from "../../../src/producers/run-handle.ts";
import { createRunProducer, type RunProducerDeps, type RunRequest } from "../../../src/producers/run-producer.ts";
import { LIMITS } from "../../../src/protocol/limits.ts";
import type { RunStore } from "../../../src/protocol/run-store.ts";
import type { Submission } from "../../../src/protocol/submission.ts";
import { createMemoryLiveText } from "../../../src/testing/memory-live-text.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createMemoryWakeQueue } from "../../../src/testing/memory-wake-queue.ts";

const AGENTS = new Map([
  ["triage", { queue: "default", version: "1" }],
  ["refunds", { queue: "slow", version: "1" }],
]);

/** Time moves only by `sleep`, which ends when its signal says so. */
function heldClock(): Clock & { passMs(ms: number): void } {
  let nowMs = 1_700_000_000_000;
  return {
    nowMs: () => nowMs,
    sleep: (_ms, signal) => new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true })),
    passMs: (ms) => {
      nowMs += ms;
    },
  };
}

function setup(more: Partial<RunProducerDeps> = {}) {
  const clock = heldClock();
  const store = createMemoryRunStore({ clock });
  const queue = createMemoryWakeQueue();
  const live = createMemoryLiveText({ notify: (id) => store.notify(id) });
  const producer = createRunProducer({ store, live, queue, clock, agents: AGENTS, ...more });
  return { clock, store, queue, live, producer };
}

async function take(store: RunStore, runId: string) {
  const reply = await store.begin({ runId, wake: 0, token: "t", workerId: "w", leaseMs: 1_000, maxDeaths: 3 });
  if (reply.status !== "begun") throw new Error(`not begun: ${reply.status}`);
  return reply.attempt;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("submit", () => {
  test("stores the run and puts its wake into the agent's queue", async () => {
    const { producer, queue, store } = setup();
    const run = await producer.submit("refunds", "I was charged twice", { tenant: "acme", metadata: { ticket: 7 } });
    expect(run.id).toMatch(/^r0-[0-9a-hjkmnp-tv-z]{26}$/);
    expect(queue.take("slow")).toMatchObject({ runId: run.id, wake: 0 });
    expect(await store.get(run.id)).toMatchObject({ tenant: "acme", agent: "refunds", status: "queued", metadata: { ticket: 7 } });
    expect(await store.items(run.id)).toEqual([JSON.stringify([{ type: "message", role: "user", content: "I was charged twice" }])]);
  });

  test("succeeds when the queue is away after the store accepted (I3)", async () => {
    const done = (): Promise<void> => Promise.resolve();
    const queue = { add: () => Promise.reject(new Error("Connection is closed.")), remove: done, close: done };
    const { producer, store } = setup({ queue });
    const run = await producer.submit("triage", "hello");
    expect(await store.get(run.id)).toMatchObject({ status: "queued" });
  });

  test("finds the run that is there for the same key and input, whatever the order of the context's keys", async () => {
    const { producer } = setup();
    const first = await producer.submit("triage", "hello", { idempotencyKey: "k", context: { a: 1, b: { c: 2, d: 3 } } });
    const again = await producer.submit("triage", "hello", { idempotencyKey: "k", context: { b: { d: 3, c: 2 }, a: 1 } });
    expect(again.id).toBe(first.id);
    await expect(producer.submit("triage", "other", { idempotencyKey: "k" })).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  });

  test("names the closest agent first when the agent is unknown", async () => {
    const { producer } = setup();
    await expect(producer.submit("refnds", "x")).rejects.toMatchObject({
      code: "AGENT_UNKNOWN",
      message: expect.stringContaining("refunds, triage"),
    });
  });

  test("says that nobody announced an agent when neither catalog nor registry know one", async () => {
    const { store, queue, live, clock } = setup();
    const bare = createRunProducer({ store, queue, live, clock });
    await expect(bare.submit("triage", "x")).rejects.toMatchObject({ code: "NO_WORKERS" });
    await store.announce(
      {
        v: 1,
        workerId: "w",
        host: "h",
        pid: 1,
        queues: ["q"],
        agents: ["triage"],
        slots: 1,
        busy: 0,
        startedAtMs: 0,
        seenAtMs: clock.nowMs(),
        release: "1",
      },
      [{ v: 1, name: "triage", queue: "q", version: "1", description: "", seenAtMs: clock.nowMs() }],
    );
    await expect(bare.submit("billing", "x")).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });
    const run = await bare.submit("triage", "x");
    expect(await run.status()).toMatchObject({ queue: "q", liveWorker: true });
  });

  test.each<[string, string, object, string, string]>([
    ["an empty input", "", {}, "INPUT_INVALID", "input"],
    ["a large input", "x".repeat(LIMITS.inputBytes), {}, "INPUT_TOO_LARGE", "input"],
    ["a Map in the context", "x", { context: { m: new Map() } }, "CONTEXT_NOT_SERIALISABLE", "context.m"],
    ["a tenant with a colon", "x", { tenant: "a:b" }, "INPUT_INVALID", "tenant"],
    ["a deadline beyond 30 days", "x", { deadlineMs: 31 * 86_400_000 }, "INPUT_INVALID", "deadlineMs"],
    ["an option that does not exist", "x", { colour: "red" }, "INPUT_INVALID", "options"],
  ])("refuses %s and names it", async (_what, input, options, code, at) => {
    const { producer } = setup();
    await expect(producer.submit("triage", input, { ...options })).rejects.toMatchObject({ code, at });
  });

  test("tells a server that is away from other errors", async () => {
    const { store } = setup();
    const away = { ...store, submit: () => Promise.reject(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })) };
    await expect(setup({ store: away }).producer.submit("triage", "x")).rejects.toMatchObject({ code: "BACKEND_UNREACHABLE" });
    const broken = { ...store, submit: () => Promise.reject(new TypeError("a bug")) };
    await expect(setup({ store: broken }).producer.submit("triage", "x")).rejects.toBeInstanceOf(TypeError);
  });
});

describe("submitMany", () => {
  test("takes requests in chunks and reads on only when the answers were taken", async () => {
    const { store } = setup();
    const sizes: number[] = [];
    const counting: RunStore = { ...store, submitMany: (all: readonly Submission[]) => (sizes.push(all.length), store.submitMany(all)) };
    const { producer } = setup({ store: counting });
    let read = 0;
    function* requests(): Generator<RunRequest> {
      while (read < 1_050) yield { agent: "triage", input: `ticket ${read++}` };
    }
    const seen = new Set<string>();
    let furthest = 0;
    for await (const answer of producer.submitMany(requests())) {
      furthest = Math.max(furthest, read - answer.index);
      if ("run" in answer) seen.add(answer.run.id);
    }
    expect(seen.size).toBe(1_050);
    expect(sizes).toEqual([200, 200, 200, 200, 200, 50]);
    expect(furthest).toBeLessThanOrEqual(LIMITS.submitChunk);
  });

  test("answers a refused request with its index and goes on with the others", async () => {
    const { producer } = setup();
    const answers = await collect(
      producer.submitMany([
        { agent: "triage", input: "one" },
        { agent: "triage", input: "" },
        { agent: "nobody", input: "three" },
        { agent: "triage", input: "four", idempotencyKey: "k" },
        { agent: "triage", input: "five", idempotencyKey: "k" },
      ]),
    );
    expect(answers.map((answer) => ("error" in answer ? [answer.index, answer.error.code, answer.error.at] : [answer.index]))).toEqual([
      [0],
      [1, "INPUT_INVALID", "runs[1].input"],
      [2, "AGENT_UNKNOWN", "runs[2].agent"],
      [3],
      [4, "IDEMPOTENCY_CONFLICT", "runs[4].idempotencyKey"],
    ]);
  });
});

describe("a run's handle", () => {
  test("waits for the result and gives the output", async () => {
    const { producer, store } = setup();
    const run = await producer.submit("triage", "hello");
    const result = run.result();
    const { token } = await take(store, run.id);
    await store.end({ runId: run.id, token, outcome: { type: "completed", output: { ok: true } }, retentionMs: 1_000 });
    expect(await result).toMatchObject({ status: "completed", agent: "triage", output: { ok: true } });
    expect(await run.output()).toEqual({ ok: true });
  });

  test("rejects output() of a failed run with the result", async () => {
    const { producer, store } = setup();
    const run = await producer.submit("triage", "hello");
    const { token } = await take(store, run.id);
    await store.end({
      runId: run.id,
      token,
      outcome: { type: "failed", error: { code: "TURN_LIMIT", message: "20 turns" } },
      retentionMs: 1_000,
    });
    const error = await run.output().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunError);
    expect(error).toMatchObject({ code: "RUN_NOT_COMPLETED", result: { status: "failed", error: { code: "TURN_LIMIT" } } });
  });

  test("ends the wait when its signal aborts, and the run goes on", async () => {
    const { producer } = setup();
    const run = await producer.submit("triage", "hello");
    const controller = new AbortController();
    const result = run.result({ signal: controller.signal });
    controller.abort();
    await expect(result).rejects.toMatchObject({ code: "WAIT_ABORTED" });
    expect(await run.status()).toMatchObject({ status: "queued", liveWorker: false });
  });

  test("cancels a queued run at once", async () => {
    const { producer } = setup();
    const run = await producer.submit("triage", "hello");
    expect(await run.cancel()).toEqual({ status: "cancelled" });
    expect(await run.result()).toMatchObject({ status: "cancelled" });
    expect(await run.cancel()).toEqual({ status: "already-final", as: "cancelled" });
  });

  test("puts the next wake into the queue when a person decides, and refuses what is not open", async () => {
    const { producer, store, queue } = setup();
    const run = await producer.submit("triage", "hello");
    queue.take("default");
    const { token } = await take(store, run.id);
    const approvals = [{ callId: "c1", tool: "refund", agent: "triage", arguments: "{}" }];
    await store.end({ runId: run.id, token, outcome: { type: "suspended", suspension: "approval", approvals }, retentionMs: 1_000 });
    await expect(run.approve("c9")).rejects.toMatchObject({ code: "DECISION_NOT_OPEN", message: expect.stringContaining("c1") });
    await run.approve("c1");
    expect(queue.take("default")).toMatchObject({ runId: run.id, continuation: true });
  });

  test("says that it does not know an id", async () => {
    const { producer } = setup();
    const run = producer.run("r0-01jd3xk2v7w8y9z0a1b2c3d4e5");
    for (const call of [() => run.status(), () => run.result(), () => run.cancel(), () => collect(run.events()), () => run.approve("c")]) {
      await expect(call()).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
    }
  });
});

describe("following", () => {
  test("shows live text, ends after the final event, and shows nothing behind it", async () => {
    const { producer, store, live } = setup();
    const run = await producer.submit("triage", "hello");
    const { token } = await take(store, run.id);
    const seen: string[] = [];
    let last = "";
    let begun = false;
    for await (const event of run.events()) {
      last = event.cursor;
      seen.push(event.type === "text.delta" ? event.text : event.type);
      if (event.type === "attempt.started" && !begun) {
        begun = true;
        await live.append(run.id, 1, 1, { offset: 0, text: "Hel" });
      }
      if (event.type === "text.delta")
        await store.end({ runId: run.id, token, outcome: { type: "completed", output: "Hello" }, retentionMs: 9_000 });
    }
    expect(seen).toEqual(["run.queued", "attempt.started", "Hel", "run.completed"]);
    expect(await collect(run.events({ after: last }))).toEqual([]);
  });

  test("ends quietly when its signal aborts", async () => {
    const { producer } = setup();
    const run = await producer.submit("triage", "hello");
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const event of run.events({ signal: controller.signal })) {
      seen.push(event.type);
      controller.abort();
    }
    expect(seen).toEqual(["run.queued"]);
  });

  test("refuses a cursor that is none", async () => {
    const { producer } = setup();
    const run = await producer.submit("triage", "hello");
    await expect(collect(run.events({ after: "yesterday" }))).rejects.toMatchObject({ code: "INPUT_INVALID", at: "after" });
  });
});
