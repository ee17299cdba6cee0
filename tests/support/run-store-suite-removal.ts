/** Deletion of single runs and of what a tenant leaves behind, and retention by how a run ended. */
import { describe, expect, test } from "vitest";
import {
  awaitingApproval,
  begin,
  beginOf,
  completed,
  DAY_MS,
  end,
  fact,
  handedOff,
  LEASE_MS,
  newRunId,
  running,
  submission,
  suspended,
} from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";

export function removalSuite(setup: OpenStore): void {
  describe("remove", () => {
    test("I9 a final run goes at once with what is kept of it, and its idempotency key makes a new run", async () => {
      const { store, live } = await setup();
      const wanted = submission({ idempotencyKey: "k" });
      const { runId } = wanted;
      await store.submit(wanted);
      await begin(store, runId, "a");
      await store.record(fact(runId));
      await end(store, runId, "a", handedOff());
      await begin(store, runId, "b", 1);
      await store.record(fact(runId, { token: "b", hop: 1, key: "m:1" }));
      await live.append(runId, 1, 1, { offset: 0, text: "text" });
      await end(store, runId, "b", completed);
      expect(await store.remove(runId)).toEqual({ status: "removed", lastWake: 1, attempts: 2, turns: 2, queue: "slow" });
      await live.remove(runId, 3, 2);
      expect(await store.get(runId)).toBeUndefined();
      expect(await store.list({ limit: 10 })).toEqual([]);
      expect(await store.items(runId)).toEqual([]);
      expect(await store.output(runId)).toBeUndefined();
      expect(await store.events(runId, "0-0", 10)).toEqual([]);
      expect([...(await store.journal(runId, 0)), ...(await store.journal(runId, 1))]).toEqual([]);
      expect(await live.read(runId, 1, 1, 0)).toEqual([]);
      expect(await store.begin(beginOf(runId, "c", 1))).toEqual({ status: "stale", why: "gone" });
      expect(await store.record(fact(runId))).toEqual({ status: "gone" });
      expect(await store.submit({ ...wanted, runId: newRunId(), inputHash: "other" })).toMatchObject({ status: "created" });
      expect(await store.remove(runId)).toEqual({ status: "unknown" });
    });

    test("I1 a run that is queued, running or suspended is refused until it was cancelled", async () => {
      const { store } = await setup();
      const { runId: queued } = submission();
      await store.submit(submission({ runId: queued }));
      const parked = await suspended(store, awaitingApproval("c1"));
      const held = await running(store);
      expect(await store.remove(queued)).toEqual({ status: "live", as: "queued" });
      expect(await store.remove(parked)).toEqual({ status: "live", as: "suspended" });
      expect(await store.remove(held)).toEqual({ status: "live", as: "running" });
      for (const runId of [queued, parked, held]) await store.cancel(runId, DAY_MS);
      expect(await store.remove(held)).toEqual({ status: "live", as: "running" });
      await end(store, held, "a", { type: "cancelled" });
      for (const runId of [queued, parked, held]) expect(await store.remove(runId)).toMatchObject({ status: "removed" });
      expect(await store.due(10)).toEqual({ runIds: [], nextAtMs: undefined, resuming: [] });
    });

    test("I11 a tenant's idempotency keys go when their runs are gone, those of runs that are there and of other tenants stay", async () => {
      const { store, advance } = await setup();
      const swept = submission({ idempotencyKey: "swept" });
      const kept = submission({ idempotencyKey: "kept" });
      const other = submission({ idempotencyKey: "swept", tenant: "acme.b" });
      for (const wanted of [swept, other]) {
        await store.submit(wanted);
        await begin(store, wanted.runId, "a");
        await end(store, wanted.runId, "a", completed);
      }
      await advance(DAY_MS + 1);
      expect(await store.sweep(10)).toBe(2);
      await store.submit(kept);
      expect(await store.forgetIdempotencyKeys("acme")).toBe(1);
      expect(await store.submit({ ...swept, runId: newRunId() })).toMatchObject({ status: "created" });
      expect(await store.submit({ ...kept, runId: newRunId() })).toEqual({ status: "duplicate", runId: kept.runId });
      expect(await store.submit({ ...other, runId: newRunId() })).toEqual({ status: "duplicate", runId: other.runId });
    });
  });

  describe("retention", () => {
    test("I9 each way to end has its own time, whoever ends the run", async () => {
      const { store, advance } = await setup();
      const [done, failed, cancelled, given] = [await running(store), await running(store), await running(store), await running(store)];
      const retentionMs = { completed: 4 * DAY_MS, failed: 3 * DAY_MS, blocked: 1, refused: 1, cancelled: 2 * DAY_MS, expired: 1 };
      const settle = (runId: string, outcome: Parameters<typeof end>[3]) => store.end({ runId, token: "a", outcome, retentionMs });
      await settle(done, completed);
      await settle(failed, { type: "failed", error: { code: "AGENT_FAILED", message: "x" } });
      await store.cancel(cancelled, retentionMs);
      // It completed, but a person had cancelled it: that is how it ends.
      await settle(cancelled, completed);
      // The reconciler gives up a run whose attempt died once too often.
      await store.renew([{ runId: given, token: "a" }], -LEASE_MS * 2);
      await store.look(given, { retentionMs, maxDeaths: 0 });
      expect(await store.get(given)).toMatchObject({ status: "failed" });
      const left = async (): Promise<string[]> => {
        await store.sweep(10);
        return (await store.list({ limit: 10 })).map(({ runId }) => runId).toSorted();
      };
      expect(await left()).toEqual([done, failed, cancelled, given].toSorted());
      await advance(2 * DAY_MS + 60_000);
      expect(await left()).toEqual([done, failed, given].toSorted());
      await advance(DAY_MS);
      expect(await left()).toEqual([done]);
      await advance(DAY_MS);
      expect(await left()).toEqual([]);
    });
  });
}
