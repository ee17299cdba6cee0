/** Submit, begin, record and intents. */
import { describe, expect, test } from "vitest";
import {
  begin,
  beginOf,
  completed,
  DAY_MS,
  end,
  eventTypes,
  fact,
  intent,
  newRunId,
  running,
  submission,
  usage,
  worker,
  LEASE_MS,
} from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";

export function attemptsSuite(setup: OpenStore): void {
  describe("submit", () => {
    test("I3 a created run is queued, readable and watched by dispatch", async () => {
      const { store } = await setup();
      const wanted = submission({ idempotencyKey: "k" });
      const reply = await store.submit(wanted);
      const { runId } = wanted;
      const wake = { runId, wake: 0, agent: "triage", queue: "default", priority: "normal", continuation: false };
      expect(reply).toEqual({ status: "created", runId, wake, agentSeenAtMs: undefined });
      const info = await store.get(runId);
      expect(info).toMatchObject({ status: "queued", tenant: "acme", metadata: { ticket: "t-1" }, idempotencyKey: "k", openIntents: [] });
      expect(info?.deadlineAtMs).toBe((info?.createdAtMs ?? 0) + DAY_MS);
      expect(await store.items(runId)).toEqual([wanted.itemsJson]);
      expect((await store.due(10)).nextAtMs).toBe((info?.createdAtMs ?? 0) + 5_000);
      expect(await eventTypes(store, runId)).toEqual(["run.queued"]);
    });

    test("I12 the same run id again is a duplicate", async () => {
      const { store } = await setup();
      const wanted = submission();
      await store.submit(wanted);
      expect(await store.submit(wanted)).toEqual({ status: "duplicate", runId: wanted.runId });
      expect(await eventTypes(store, wanted.runId)).toEqual(["run.queued"]);
    });

    test("I12 the same idempotency key finds the first run, another input is a conflict, another tenant is apart", async () => {
      const { store } = await setup();
      const first = submission({ idempotencyKey: "k" });
      const replies = await store.submitMany([
        first,
        { ...first, runId: newRunId() },
        { ...first, runId: newRunId(), inputHash: "other" },
        { ...first, runId: newRunId(), tenant: "other" },
      ]);
      expect(replies.map(({ status }) => status)).toEqual(["created", "duplicate", "conflict", "created"]);
      expect(replies[1]).toEqual({ status: "duplicate", runId: first.runId });
    });

    test("I8 an agent nobody announced is refused by name, an announced one gets its queue", async () => {
      const { store } = await setup();
      const { queue: _queue, ...unrouted } = submission();
      const agent = { v: 1, name: "refunds", queue: "slow", version: "1", description: "", seenAtMs: 5 } as const;
      await store.announce(worker(5), [agent]);
      expect(await store.submit(unrouted)).toEqual({ status: "unknown-agent", known: ["refunds"] });
      const reply = await store.submit({ ...unrouted, agent: "refunds" });
      expect(reply).toMatchObject({ status: "created", wake: { queue: "slow" }, agentSeenAtMs: 5 });
    });
  });

  describe("begin", () => {
    test("I1 the attempt gets what it needs of the run and its transcript", async () => {
      const { store } = await setup();
      const wanted = submission();
      await store.submit(wanted);
      const reply = await store.begin(beginOf(wanted.runId, "a", 0));
      const { contextJson, metadataJson, settingsJson, runId } = wanted;
      expect(reply).toMatchObject({ status: "begun", itemsJson: [wanted.itemsJson] });
      expect(reply.status === "begun" && reply.attempt).toMatchObject({
        runId,
        token: "a",
        wake: 0,
        attempt: 1,
        hop: 0,
        maxHops: 3,
        agent: "triage",
        tenant: "acme",
        contextJson,
        metadataJson,
        settingsJson,
        retries: 0,
        resamples: 0,
        turnsBefore: 0,
        hasJournal: false,
        openIntents: [],
        decisions: new Map(),
      });
      expect(await store.get(runId)).toMatchObject({ status: "running", attempts: 1, worker: "worker-1" });
    });

    test("I1 a job without a run, of another wake, of a final run or before its time ends without effect", async () => {
      const { store, advance } = await setup();
      expect(await store.begin(beginOf(newRunId(), "a", 0))).toEqual({ status: "stale", why: "gone" });
      const delayed = submission({ delayMs: 60_000 });
      await store.submit(delayed);
      expect(await store.begin(beginOf(delayed.runId, "a", 1))).toEqual({ status: "stale", why: "wake" });
      expect(await store.begin(beginOf(delayed.runId, "a", 0))).toEqual({ status: "stale", why: "not-before" });
      expect(await store.get(delayed.runId)).toMatchObject({ status: "queued", attempts: 0 });
      await advance(60_000);
      await begin(store, delayed.runId, "a");
      await end(store, delayed.runId, "a", completed);
      expect(await store.begin(beginOf(delayed.runId, "b", 0))).toEqual({ status: "stale", why: "final" });
    });

    test("I12 the same token begins again and gets the same attempt, which is counted once", async () => {
      const { store } = await setup();
      const { runId } = submission();
      await store.submit(submission({ runId }));
      const first = await store.begin(beginOf(runId, "a", 0));
      expect(await store.begin(beginOf(runId, "a", 0))).toEqual(first);
      expect(await eventTypes(store, runId)).toEqual(["run.queued", "attempt.started"]);
    });

    test("I12 a begin that is sent again after its end does not take the run back", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await end(store, runId, "a", { type: "released" });
      expect(await store.begin(beginOf(runId, "a", 0))).toEqual({ status: "stale", why: "wake" });
    });

    test("I1 a job that comes again while its attempt lives ends without effect", async () => {
      const { store } = await setup();
      const runId = await running(store);
      expect(await store.begin(beginOf(runId, "b", 0))).toEqual({ status: "stale", why: "held" });
      expect(await store.get(runId)).toMatchObject({ status: "running", attempts: 1, deaths: 0 });
    });

    test("I8 a job that comes again when the lease is over counts a death, and the run is given up after too many", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      await advance(2 * LEASE_MS);
      expect(await begin(store, runId, "b")).toMatchObject({ attempt: 2, wake: 0 });
      expect(await store.get(runId)).toMatchObject({ deaths: 1, status: "running" });
      await advance(2 * LEASE_MS);
      await begin(store, runId, "c");
      await advance(2 * LEASE_MS);
      const given = await store.begin(beginOf(runId, "d", 0));
      expect(given).toEqual({ status: "ended", as: "failed" });
      expect(await store.begin(beginOf(runId, "d", 0))).toEqual(given);
      expect(await store.get(runId)).toMatchObject({ status: "failed", error: { code: "RUN_CRASHED" } });
      expect((await eventTypes(store, runId)).slice(-2)).toEqual(["attempt.lost", "run.failed"]);
    });

    test("I8 a run past its deadline ends as expired when it begins", async () => {
      const { store } = await setup();
      const { runId } = submission();
      await store.submit(submission({ runId, deadlineMs: -1 }));
      expect(await store.begin(beginOf(runId, "a", 0))).toEqual({ status: "ended", as: "expired" });
      expect(await store.begin(beginOf(runId, "a", 0))).toEqual({ status: "ended", as: "expired" });
      expect(await store.get(runId)).toMatchObject({ status: "expired" });
    });

    test("I8 a cancelled run whose attempt died ends as cancelled when its job comes again", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      await store.cancel(runId, DAY_MS);
      await advance(2 * LEASE_MS);
      expect(await store.begin(beginOf(runId, "b", 0))).toEqual({ status: "ended", as: "cancelled" });
    });
  });

  describe("record", () => {
    test("I4 a fact is stored once, counted once, and the first value is what everyone gets", async () => {
      const { store } = await setup();
      const runId = await running(store);
      expect(await store.record(fact(runId))).toEqual({
        status: "recorded",
        valueJson: '{"v":1}',
        current: true,
        stop: undefined,
        paused: false,
      });
      const again = await store.record(fact(runId, { valueJson: '{"v":2}' }));
      expect(again).toEqual({ status: "recorded", valueJson: '{"v":1}', current: true, stop: undefined, paused: false });
      expect(await store.get(runId)).toMatchObject({ turns: 1, usage });
      expect(await store.journal(runId, 0)).toEqual(new Map([["m:0", '{"v":1}']]));
      expect(await eventTypes(store, runId)).toEqual(["run.queued", "attempt.started", "model.called"]);
    });

    test("I7 costs add up beside how many calls have one, and a run without a priced call has none", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.record(fact(runId));
      expect((await store.get(runId))?.usage).not.toHaveProperty("costMicroUsd");
      await store.record(
        fact(runId, { key: "m:1", usage: { ...usage, pricedRequests: 1, costMicroUsd: 2_895, cacheWriteInputTokens: 3 } }),
      );
      await store.record(fact(runId, { key: "m:2", usage: { ...usage, pricedRequests: 1, costMicroUsd: 0 } }));
      expect((await store.get(runId))?.usage).toMatchObject({
        requests: 3,
        pricedRequests: 2,
        costMicroUsd: 2_895,
        cacheWriteInputTokens: 3,
      });
    });

    test("I7 a call that costs nothing is a known cost of nothing", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.record(fact(runId, { usage: { ...usage, pricedRequests: 1, costMicroUsd: 0 } }));
      expect((await store.get(runId))?.usage).toMatchObject({ pricedRequests: 1, costMicroUsd: 0 });
    });

    test("I2 a superseded attempt may record a fact but open no intent and decide nothing", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      await advance(2 * LEASE_MS);
      await begin(store, runId, "b");
      expect(await store.record(fact(runId))).toMatchObject({ status: "recorded", current: false });
      expect(await store.openIntent(runId, "a", intent("c1"))).toEqual({ status: "superseded" });
      expect(await end(store, runId, "a", completed)).toEqual({ status: "superseded" });
      expect(await begin(store, runId, "b")).toMatchObject({ hasJournal: true, openIntents: [] });
      expect(await store.get(runId)).toMatchObject({ status: "running" });
    });

    test("I8 a fact that comes after the end is kept without an event, and of a deleted run is refused", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      await end(store, runId, "a", { type: "cancelled" });
      expect(await store.record(fact(runId))).toMatchObject({ status: "recorded", current: false, stop: "cancelled" });
      expect((await eventTypes(store, runId)).at(-1)).toBe("run.cancelled");
      await advance(2 * DAY_MS);
      await store.sweep(10);
      expect(await store.record(fact(runId))).toEqual({ status: "gone" });
      expect(await store.journal(runId, 0)).toEqual(new Map());
    });

    test("I5 an intent without a result meets the next attempt, and its result closes it", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      expect(await store.openIntent(runId, "a", intent("c1"))).toEqual({ status: "opened" });
      expect(await store.openIntent(runId, "a", intent("c1"))).toEqual({ status: "opened" });
      await advance(2 * LEASE_MS);
      expect(await begin(store, runId, "b")).toMatchObject({ openIntents: [intent("c1")] });
      expect((await store.get(runId))?.openIntents).toEqual([intent("c1")]);
      await store.record(fact(runId, { key: "t:c1", turns: 0, closesIntent: "c1", event: undefined }));
      expect((await store.get(runId))?.openIntents).toEqual([]);
      expect((await eventTypes(store, runId)).filter((type) => type === "tool.started")).toHaveLength(1);
    });

    test("I8 a cancelled attempt is told with every step and may start no further effect", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.openIntent(runId, "a", intent("c1"));
      await store.cancel(runId, DAY_MS);
      expect(await store.openIntent(runId, "a", intent("c1"))).toEqual({ status: "opened" });
      expect(await store.openIntent(runId, "a", intent("c2"))).toEqual({ status: "stop", stop: "cancelled" });
      expect(await store.record(fact(runId))).toMatchObject({ current: true, stop: "cancelled" });
    });

    test("I8 an attempt past the deadline is told so", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      await advance(DAY_MS + 1);
      expect(await store.record(fact(runId))).toMatchObject({ stop: "expired" });
      expect(await store.openIntent(runId, "a", intent("c2"))).toEqual({ status: "stop", stop: "expired" });
    });
  });
}
