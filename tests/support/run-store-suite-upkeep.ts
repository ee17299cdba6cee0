/** Leases, repair, deletion, lists, events and followers. */
import { describe, expect, test } from "vitest";
import {
  awaitingApproval,
  begin,
  beginOf,
  completed,
  DAY_MS,
  end,
  eventTypes,
  LEASE_MS,
  newRunId,
  policy,
  running,
  submission,
  suspended,
  worker,
} from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";

export function upkeepSuite(setup: OpenStore): void {
  describe("leases", () => {
    test("I2 renew keeps what its token holds and names what it lost", async () => {
      const { store, advance } = await setup();
      const kept = await running(store);
      const lost = await running(store);
      await advance(2 * LEASE_MS);
      await begin(store, lost, "b");
      await advance(LEASE_MS);
      const gone = newRunId();
      const held = [kept, lost, gone].map((runId) => ({ runId, token: "a" }));
      expect(await store.renew(held, LEASE_MS)).toEqual({ lost: [lost, gone], stopped: [] });
      await advance(LEASE_MS);
      expect((await store.due(10)).runIds).toEqual([lost]);
    });

    test("I8 renew tells an attempt that it should stop, for as long as it holds the run: the message may have been lost", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.cancel(runId, DAY_MS);
      const stopped = [{ runId, reason: "cancelled" }];
      expect(await store.renew([{ runId, token: "a" }], LEASE_MS)).toEqual({ lost: [], stopped });
      expect(await store.renew([{ runId, token: "a" }], LEASE_MS)).toEqual({ lost: [], stopped });
      await end(store, runId, "a", completed);
      expect(await store.renew([{ runId, token: "a" }], LEASE_MS)).toEqual({ lost: [runId], stopped: [] });
    });

    test("I3 I8 a dead attempt's run is taken back, and given up after too many deaths", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      expect(await store.look(runId, policy)).toBeUndefined();
      for (const wake of [1, 2]) {
        await advance(LEASE_MS + 1_001);
        expect((await store.due(10)).runIds).toEqual([runId]);
        expect(await store.look(runId, policy)).toMatchObject({ wake, continuation: true });
        await begin(store, runId, `t${wake}`, wake);
      }
      await advance(LEASE_MS + 1_001);
      expect(await store.look(runId, policy)).toBeUndefined();
      expect(await store.get(runId)).toMatchObject({ status: "failed", deaths: 3, error: { code: "RUN_CRASHED" } });
      expect(await end(store, runId, "t2", completed)).toEqual({ status: "superseded" });
    });
  });

  describe("taking back", () => {
    test("I3 I12 a run is taken back at once from the attempt that holds it, and the same token gets the same wake again", async () => {
      const { store } = await setup();
      const runId = await running(store);
      const held = [{ runId, token: "a" }];
      expect(await store.takeBack(held, policy)).toMatchObject([{ runId, wake: 1, continuation: true }]);
      expect(await store.takeBack(held, policy)).toMatchObject([{ runId, wake: 1, continuation: true }]);
      expect(await store.get(runId)).toMatchObject({ status: "queued", wake: 1, deaths: 1 });
      expect((await eventTypes(store, runId)).filter((type) => type === "attempt.lost")).toHaveLength(1);
      expect(await end(store, runId, "a", completed)).toEqual({ status: "superseded" });
      await begin(store, runId, "b", 1);
      expect(await store.takeBack(held, policy)).toEqual([]);
      expect(await store.get(runId)).toMatchObject({ status: "running", deaths: 1 });
    });

    test("I2 what the token does not hold is left alone: another attempt's run, a suspended, a final and an unknown one", async () => {
      const { store } = await setup();
      const others = await running(store, "b");
      const parked = await suspended(store, awaitingApproval("c1"));
      const over = await running(store);
      await end(store, over, "a", completed);
      const held = [others, parked, over, newRunId()].map((runId) => ({ runId, token: "a" }));
      expect(await store.takeBack(held, policy)).toEqual([]);
      expect(await store.takeBack([], policy)).toEqual([]);
      expect(await store.get(others)).toMatchObject({ status: "running", deaths: 0 });
      expect(await store.get(parked)).toMatchObject({ status: "suspended" });
      expect(await store.get(over)).toMatchObject({ status: "completed" });
    });

    test("I8 a run is given up after too many deaths, and one that was asked to stop ends", async () => {
      const { store } = await setup();
      const poison = await running(store, "t0");
      for (const wake of [1, 2]) {
        expect(await store.takeBack([{ runId: poison, token: `t${wake - 1}` }], policy)).toMatchObject([{ wake }]);
        await begin(store, poison, `t${wake}`, wake);
      }
      const cancelled = await running(store);
      await store.cancel(cancelled, DAY_MS);
      const held = [
        { runId: poison, token: "t2" },
        { runId: cancelled, token: "a" },
      ];
      expect(await store.takeBack(held, policy)).toEqual([]);
      expect(await store.get(poison)).toMatchObject({ status: "failed", deaths: 3, error: { code: "RUN_CRASHED" } });
      expect(await store.get(cancelled)).toMatchObject({ status: "cancelled" });
    });
  });

  describe("look", () => {
    test("I3 a queued run is offered again, less and less often", async () => {
      const { store, advance } = await setup();
      const { runId } = submission();
      await store.submit(submission({ runId }));
      expect(await store.look(runId, policy)).toBeUndefined();
      await advance(5_001);
      expect(await store.look(runId, policy)).toMatchObject({ runId, wake: 0, continuation: false });
      expect(await store.look(runId, policy)).toBeUndefined();
      await advance(5_001);
      expect(await store.look(runId, policy)).toMatchObject({ wake: 0 });
      await advance(9_000);
      expect(await store.look(runId, policy)).toBeUndefined();
    });

    test("I6 a lane's run resumes at its time", async () => {
      const { store, nowMs, advance } = await setup();
      const untilMs = (await nowMs()) + 60_000;
      const runId = await suspended(store, { type: "suspended", suspension: "lane", untilMs });
      expect(await store.get(runId)).toMatchObject({ status: "suspended", suspension: "lane", notBeforeMs: untilMs });
      expect(await store.due(10)).toEqual({ runIds: [], nextAtMs: untilMs, resuming: [] });
      await advance(60_001);
      expect(await store.look(runId, policy)).toMatchObject({ wake: 1 });
      expect((await eventTypes(store, runId)).at(-1)).toBe("run.resumed");
      await begin(store, runId, "b", 1);
    });

    test("I8 a deadline ends queued and suspended runs, and stops a running one", async () => {
      const { store, advance } = await setup();
      const { runId: queued } = submission();
      await store.submit(submission({ runId: queued }));
      const parked = await suspended(store, awaitingApproval("c1"));
      const held = await running(store);
      const told: unknown[] = [];
      await store.watchStops((runId, reason) => told.push([runId, reason]));
      await advance(DAY_MS + 1);
      await store.renew([{ runId: held, token: "a" }], LEASE_MS);
      expect((await store.due(10)).runIds.toSorted()).toEqual([queued, parked, held].toSorted());
      for (const runId of [queued, parked, held]) expect(await store.look(runId, policy)).toBeUndefined();
      expect(await store.get(queued)).toMatchObject({ status: "expired" });
      expect(await store.get(parked)).toMatchObject({ status: "expired" });
      expect(await store.get(held)).toMatchObject({ status: "running" });
      expect((await store.due(10)).runIds).toEqual([]);
      await expect.poll(() => told).toEqual([[held, "expired"]]);
      expect(await end(store, held, "a", completed)).toMatchObject({ as: "expired" });
    });
  });

  describe("sweep", () => {
    test("I9 a final run goes with its keys and index members when its retention has passed, its idempotency key stays", async () => {
      const { store, advance } = await setup();
      const wanted = submission({ idempotencyKey: "k" });
      await store.submit(wanted);
      await begin(store, wanted.runId, "a");
      await end(store, wanted.runId, "a", completed);
      expect(await store.sweep(10)).toBe(0);
      await advance(DAY_MS + 1);
      expect(await store.sweep(10)).toBe(1);
      expect(await store.sweep(10)).toBe(0);
      expect(await store.get(wanted.runId)).toBeUndefined();
      expect(await store.list({ limit: 10 })).toEqual([]);
      expect(await store.events(wanted.runId, "0-0", 10)).toEqual([]);
      expect(await store.begin(beginOf(wanted.runId, "b", 0))).toEqual({ status: "stale", why: "gone" });
      expect(await store.submit({ ...wanted, runId: newRunId() })).toEqual({ status: "duplicate", runId: wanted.runId });
    });
  });

  describe("reads", () => {
    test("I11 lists are newest first, by status and tenant, in pages", async () => {
      const { store } = await setup();
      const ids = ["01", "02", "03", "04"].map((part) => `r0-${part.padEnd(26, "0")}`);
      for (const [index, runId] of ids.entries()) await store.submit(submission({ runId, tenant: index === 1 ? "other" : "acme" }));
      await begin(store, ids[2] ?? "", "a");
      const listed = async (query: object): Promise<string[]> => (await store.list({ limit: 10, ...query })).map(({ runId }) => runId);
      const [first, second, third, fourth] = ids;
      expect(await listed({})).toEqual([fourth, third, second, first]);
      expect(await listed({ limit: 2, before: fourth })).toEqual([third, second]);
      expect(await listed({ status: "queued" })).toEqual([fourth, second, first]);
      expect(await listed({ tenant: "other" })).toEqual([second]);
      expect(await listed({ tenant: "acme", status: "queued", before: fourth })).toEqual([first]);
      expect(await listed({ status: "failed" })).toEqual([]);
    });

    test("I8 events are read in pages behind the last one seen", async () => {
      const { store } = await setup();
      const runId = await running(store);
      const [first] = await store.events(runId, "0-0", 1);
      expect(first?.event.type).toBe("run.queued");
      const rest = await store.events(runId, first?.id ?? "", 10);
      expect(rest.map(({ event }) => event)).toMatchObject([{ type: "attempt.started", attempt: 1, wake: 0, worker: "worker-1" }]);
    });

    test("I8 followers are woken by events and live text until they leave", async () => {
      const { store, live } = await setup();
      const { runId } = submission();
      let woken = 0;
      const leave = await store.watch(runId, () => {
        woken += 1;
      });
      await store.submit(submission({ runId }));
      await expect.poll(() => woken).toBeGreaterThan(0);
      const before = woken;
      await live.append(runId, 1, 1, { offset: 0, text: "hi" });
      await expect.poll(() => woken).toBeGreaterThan(before);
      await leave();
    });

    test("I8 a cancelled attempt's worker is told", async () => {
      const { store } = await setup();
      const runId = await running(store);
      const told: unknown[] = [];
      await store.watchStops((stopped, reason) => told.push([stopped, reason]));
      await store.cancel(runId, DAY_MS);
      await expect.poll(() => told).toEqual([[runId, "cancelled"]]);
    });

    test("I9 live text is read from any offset, and a chunk sent twice is there once", async () => {
      const { live } = await setup();
      const runId = newRunId();
      for (const chunk of [
        { offset: 0, text: "hello" },
        { offset: 5, text: " world" },
        { offset: 5, text: " world" },
      ])
        await live.append(runId, 1, 1, chunk);
      expect(await live.read(runId, 1, 1, 0)).toEqual([
        { offset: 0, text: "hello" },
        { offset: 5, text: " world" },
      ]);
      expect(await live.read(runId, 1, 1, 3)).toEqual([
        { offset: 3, text: "lo" },
        { offset: 5, text: " world" },
      ]);
      expect(await live.read(runId, 1, 1, 11)).toEqual([]);
      expect(await live.read(runId, 1, 2, 0)).toEqual([]);
    });

    test("I8 workers come and go, the agents they announced stay known", async () => {
      const { store } = await setup();
      const agent = { v: 1, name: "triage", queue: "default", version: "1", description: "", seenAtMs: 5 } as const;
      await store.announce(worker(5), [agent]);
      await store.announce(worker(6), [{ ...agent, seenAtMs: 6 }]);
      expect(await store.workers()).toEqual([worker(6)]);
      await store.withdraw("w1");
      expect(await store.workers()).toEqual([]);
      expect(await store.agents()).toEqual([{ ...agent, seenAtMs: 6 }]);
    });
  });
}
