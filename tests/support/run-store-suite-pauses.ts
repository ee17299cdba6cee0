/** Pauses: what is paused makes no progress, holds nothing, and is lost by nobody. */
import { describe, expect, test } from "vitest";
import type { RunStore } from "../../src/protocol/run-store.ts";
import {
  approval,
  awaitingApproval,
  begin,
  beginOf,
  completed,
  DAY_MS,
  decision,
  effectUnknown,
  end,
  eventTypes,
  fact,
  handedOff,
  intent,
  LEASE_MS,
  newRunId,
  policy,
  running,
  submission,
  suspended,
} from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";

const note = { by: "ann", reason: "the provider overcharges" };
const acme = { tenant: "acme" };

async function queued(store: RunStore, overrides: Parameters<typeof submission>[0] = {}): Promise<string> {
  const wanted = submission(overrides);
  await store.submit(wanted);
  return wanted.runId;
}

export function pausesSuite(setup: OpenStore): void {
  describe("pausing a run", () => {
    test("I3 I6 a queued run is parked without job or dispatch entry, says who and why, and goes on when it is resumed", async () => {
      const { store } = await setup();
      const runId = await queued(store);
      expect(await store.pause(runId, note)).toEqual({ status: "paused" });
      const info = await store.get(runId);
      expect(info).toMatchObject({ status: "paused", pause: { scope: "run", ...note } });
      expect(await store.due(10)).toEqual({ runIds: [], nextAtMs: info?.deadlineAtMs, resuming: [] });
      expect(await store.list({ status: "paused", limit: 10 })).toMatchObject([{ runId }]);
      expect(await store.begin(beginOf(runId, "a", 0))).toEqual({ status: "stale", why: "paused" });
      expect(await store.resume(runId)).toMatchObject({ status: "resumed", next: { runId, wake: 1 } });
      expect(await store.get(runId)).not.toHaveProperty("pause");
      await begin(store, runId, "a", 1);
      expect(await eventTypes(store, runId)).toEqual(["run.queued", "run.paused", "run.resumed", "attempt.started"]);
    });

    test("I12 what is paused twice keeps its first pause; what is not paused, over or unknown says so", async () => {
      const { store } = await setup();
      const runId = await queued(store);
      expect(await store.resume(runId)).toEqual({ status: "not-paused", as: "queued" });
      await store.pause(runId, note);
      expect(await store.pause(runId, { by: "bob" })).toMatchObject({ status: "already-paused", pause: note });
      await store.cancel(runId, DAY_MS);
      expect(await store.get(runId)).not.toHaveProperty("pause");
      expect(await store.pause(runId, note)).toEqual({ status: "already-final", as: "cancelled" });
      expect(await store.resume(runId)).toEqual({ status: "not-paused", as: "cancelled" });
      expect(await store.pause(newRunId(), note)).toEqual({ status: "unknown" });
      expect(await store.resume(newRunId())).toEqual({ status: "unknown" });
    });

    test("I2 I4 a running run hears of it with its next fact, and is parked when it is let go; no attempt is counted as dead or retried", async () => {
      const { store } = await setup();
      const runId = await running(store);
      expect(await store.record(fact(runId))).toMatchObject({ paused: false });
      expect(await store.pause(runId, note)).toEqual({ status: "requested" });
      expect(await store.get(runId)).toMatchObject({ status: "running", pause: note });
      expect(await store.record(fact(runId, { key: "m:1" }))).toMatchObject({ current: true, paused: true, stop: undefined });
      const reply = await end(store, runId, "a", { type: "released" });
      expect(reply).toEqual({ status: "settled", as: "paused", next: undefined });
      expect(await end(store, runId, "a", { type: "released" })).toEqual(reply);
      expect(await store.get(runId)).toMatchObject({ status: "paused", deaths: 0, retries: 0 });
      expect(await store.resume(runId)).toMatchObject({ next: { wake: 2, continuation: false } });
      expect(await begin(store, runId, "b", 2)).toMatchObject({ hasJournal: true, retries: 0 });
    });

    test("I8 a paused attempt may still complete, fail or hand off; a handoff is kept and parks", async () => {
      const { store } = await setup();
      const done = await running(store);
      await store.pause(done, note);
      expect(await end(store, done, "a", completed)).toMatchObject({ as: "completed" });
      expect(await store.get(done)).not.toHaveProperty("pause");
      const moving = await running(store);
      await store.pause(moving, note);
      expect(await end(store, moving, "a", handedOff())).toEqual({ status: "settled", as: "paused", next: undefined });
      expect(await store.get(moving)).toMatchObject({ status: "paused", agent: "refunds", hop: 1 });
      expect(await store.resume(moving)).toMatchObject({ next: { agent: "refunds", queue: "slow" } });
    });

    test("I3 I8 a paused run whose attempt died is parked instead of queued, by its lease and by its supervisor", async () => {
      const { store, advance } = await setup();
      const [lapsed, dead, again] = [await running(store), await running(store), await running(store)];
      for (const runId of [lapsed, dead, again]) await store.pause(runId, note);
      expect(await store.takeBack([{ runId: dead, token: "a" }], policy)).toEqual([]);
      expect(await store.takeBack([{ runId: dead, token: "a" }], policy)).toEqual([]);
      await advance(LEASE_MS + 1_001);
      expect(await store.look(lapsed, policy)).toBeUndefined();
      expect(await store.begin(beginOf(again, "b", 0))).toEqual({ status: "stale", why: "paused" });
      for (const runId of [lapsed, dead, again]) expect(await store.get(runId)).toMatchObject({ status: "paused", deaths: 1 });
      expect((await store.due(10)).runIds).toEqual([]);
      expect(await end(store, lapsed, "a", completed)).toEqual({ status: "superseded" });
      for (const runId of [lapsed, dead, again]) expect(await store.resume(runId)).toMatchObject({ next: { runId } });
    });

    test("I8 decisions and resolutions made while a run is paused are kept, and start nothing before it is resumed", async () => {
      const { store } = await setup();
      const asked = await suspended(store, awaitingApproval("c1"));
      expect(await store.pause(asked, note)).toEqual({ status: "paused" });
      expect(await store.get(asked)).toMatchObject({ status: "suspended", suspension: "approval", pause: note });
      expect(await store.decide(asked, "c1", decision("d1"))).toEqual({ status: "resolved", next: undefined });
      const unknown = await suspended(store, effectUnknown, [intent("c1")]);
      await store.pause(unknown, note);
      expect(await store.resolve(unknown, "c1", { type: "not-run" }, DAY_MS)).toEqual({ status: "resolved", next: undefined });
      for (const runId of [asked, unknown]) expect(await store.get(runId)).toMatchObject({ status: "paused", wake: 1 });
      expect(await store.resume(asked)).toMatchObject({ next: { wake: 2 } });
      const { decisions } = await begin(store, asked, "b", 2);
      expect(decisions.get("c1")).toMatchObject({ approve: true });
    });

    test.each(["reject", "fail"] as const)(
      "I8 an approval's deadline goes on under a pause: by its policy, %s, the run parks or ends",
      async (onTimeout) => {
        const { store, advance } = await setup();
        const approvals = [{ ...approval("c1"), withinMs: 1_000, onTimeout }];
        const asked = await suspended(store, { type: "suspended", suspension: "approval", approvals });
        await store.pause(asked, note);
        await advance(2_000);
        expect(await store.look(asked, policy)).toBeUndefined();
        if (onTimeout === "fail") {
          expect(await store.get(asked)).toMatchObject({ status: "failed", error: { code: "APPROVAL_TIMED_OUT" } });
          return;
        }
        expect(await store.get(asked)).toMatchObject({ status: "paused", pause: note, decisions: [{ callId: "c1", timedOut: true }] });
        expect(await store.resume(asked)).toMatchObject({ status: "resumed", next: { runId: asked } });
      },
    );

    test("a paused run that has the turn in its conversation passes it on when it is cancelled", async () => {
      const { store } = await setup();
      const [first, second] = [await queued(store, { conversation: "c" }), await queued(store, { conversation: "c" })];
      await store.pause(first, note);
      expect(await store.cancel(first, DAY_MS)).toEqual({ status: "cancelled", follower: second });
      expect(await store.look(second, policy)).toMatchObject({ runId: second, wake: 1 });
    });

    test("a pause that is taken back before the run's step or answer came leaves it as it was", async () => {
      const { store } = await setup();
      const [held, asked] = [await running(store), await suspended(store, awaitingApproval("c1"))];
      for (const runId of [held, asked]) {
        await store.pause(runId, note);
        expect(await store.resume(runId)).toEqual({ status: "resumed", next: undefined });
      }
      expect(await store.record(fact(held))).toMatchObject({ paused: false });
      expect(await store.decide(asked, "c1", decision("d1"))).toMatchObject({ next: { wake: 1 } });
    });

    test("I8 a run that waits for its time keeps that time through a pause", async () => {
      const { store, nowMs, advance } = await setup();
      const delayed = await queued(store, { delayMs: 60_000 });
      const untilMs = (await nowMs()) + 60_000;
      const lane = await suspended(store, { type: "suspended", suspension: "lane", untilMs });
      for (const runId of [delayed, lane]) {
        expect(await store.pause(runId, note)).toEqual({ status: "paused" });
        expect(await store.resume(runId)).toEqual({ status: "resumed", next: undefined });
        expect(await store.begin(beginOf(runId, "b", (await store.get(runId))?.wake ?? -1))).toEqual({
          status: "stale",
          why: "not-before",
        });
      }
      await advance(60_001);
      expect((await store.due(10)).runIds.toSorted()).toEqual([delayed, lane].toSorted());
      for (const runId of [delayed, lane]) expect(await store.look(runId, policy)).toMatchObject({ runId });
    });

    test("I8 a deadline and a cancel end a paused run", async () => {
      const { store, advance } = await setup();
      const [late, unwanted, kept] = [await queued(store), await queued(store), await queued(store, { deadlineMs: 2 * DAY_MS })];
      await store.pauseScope(acme, note);
      await store.begin(beginOf(kept, "a", 0));
      for (const runId of [late, unwanted]) await store.pause(runId, note);
      expect(await store.cancel(unwanted, DAY_MS)).toEqual({ status: "cancelled" });
      await advance(DAY_MS + 1);
      expect((await store.due(10)).runIds).toEqual([late]);
      expect(await store.look(late, policy)).toBeUndefined();
      expect(await store.get(late)).toMatchObject({ status: "expired" });
      expect(await store.resume(late)).toEqual({ status: "not-paused", as: "expired" });
      expect(await store.cancel(kept, DAY_MS)).toEqual({ status: "cancelled" });
      await store.resumeScope(acme);
      expect(await store.unpark(acme, 10)).toEqual({ wakes: [], more: false });
    });

    test("I1 a paused run is live: it is not deleted", async () => {
      const { store } = await setup();
      const runId = await queued(store);
      await store.pause(runId, note);
      expect(await store.remove(runId)).toEqual({ status: "live", as: "paused" });
    });
  });

  describe("pausing an agent or a tenant", () => {
    test("I3 I6 I11 what would begin is parked, of this tenant alone; submits are taken in; a resume queues all again, oldest first, in pages", async () => {
      const { store } = await setup();
      const before = await queued(store);
      expect(await store.pauseScope(acme, note)).toEqual({ status: "paused" });
      expect(await store.pauses()).toMatchObject([{ scope: acme, pause: { scope: "tenant", ...note } }]);
      const after = [await queued(store), await queued(store, { agent: "refunds" })];
      const others = await queued(store, { tenant: "other" });
      await begin(store, others, "a");
      const parked = [before, ...after].toSorted();
      for (const runId of parked.toReversed())
        expect(await store.begin(beginOf(runId, "a", 0))).toEqual({ status: "stale", why: "paused" });
      expect(await store.get(before)).toMatchObject({ status: "paused", attempts: 0, pause: { scope: "tenant", ...note } });
      expect((await store.due(10)).nextAtMs).toBeDefined();
      expect(await store.unpark(acme, 10)).toEqual({ wakes: [], more: false });
      expect(await store.resumeScope(acme)).toEqual({ status: "resumed" });
      expect(await store.pauses()).toEqual([]);
      expect((await store.due(10)).resuming).toEqual([acme]);
      const first = await store.unpark(acme, 2);
      expect(first.more).toBe(true);
      expect(first.wakes.map(({ runId }) => runId)).toEqual(parked.slice(0, 2));
      // Whoever resumes dies here; the next one goes on.
      expect(await store.resumeScope(acme)).toEqual({ status: "resumed" });
      expect((await store.unpark(acme, 2)).wakes).toMatchObject([{ runId: parked[2], wake: 1, continuation: false }]);
      expect(await store.unpark(acme, 2)).toEqual({ wakes: [], more: false });
      expect((await store.due(10)).resuming).toEqual([]);
      expect(await store.resumeScope(acme)).toEqual({ status: "not-paused" });
      for (const runId of parked) await begin(store, runId, "b", 1);
    });

    test("I12 a scope that is paused twice keeps its first pause", async () => {
      const { store } = await setup();
      await store.pauseScope({ agent: "triage" }, note);
      expect(await store.pauseScope({ agent: "triage" }, { by: "bob" })).toMatchObject({ status: "already-paused", pause: note });
      expect(await store.resumeScope({ agent: "refunds" })).toEqual({ status: "not-paused" });
    });

    test("I4 a running attempt of a paused agent hears of it with its next fact; a handoff to a paused agent parks", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.pauseScope({ agent: "triage" }, note);
      await store.pauseScope({ agent: "refunds" }, note);
      expect(await store.record(fact(runId))).toMatchObject({ paused: true });
      expect(await end(store, runId, "a", handedOff())).toMatchObject({ as: "paused", next: undefined });
      expect(await store.get(runId)).toMatchObject({ status: "paused", pause: { scope: "agent" } });
      await store.resumeScope({ agent: "triage" });
      expect(await store.unpark({ agent: "triage" }, 10)).toEqual({ wakes: [], more: false });
      await store.resumeScope({ agent: "refunds" });
      expect(await store.unpark({ agent: "refunds" }, 10)).toMatchObject({ wakes: [{ runId }] });
    });

    test("I3 a run that several pauses hold goes on when the last one ends", async () => {
      const { store } = await setup();
      const runId = await queued(store);
      await store.pauseScope(acme, note);
      await store.pauseScope({ agent: "triage" }, { by: "bob" });
      await store.begin(beginOf(runId, "a", 0));
      await store.pause(runId, { by: "eve" });
      expect(await store.get(runId)).toMatchObject({ pause: { scope: "run", by: "eve" } });
      expect(await store.resume(runId)).toMatchObject({ status: "held", pause: { scope: "agent", by: "bob" } });
      expect(await store.resume(runId)).toMatchObject({ status: "held", pause: { scope: "agent", by: "bob" } });
      await store.resumeScope({ agent: "triage" });
      expect(await store.unpark({ agent: "triage" }, 10)).toEqual({ wakes: [], more: true });
      expect(await store.get(runId)).toMatchObject({ status: "paused", pause: { scope: "tenant", by: "ann" } });
      await store.resumeScope(acme);
      expect((await store.unpark(acme, 10)).wakes).toMatchObject([{ runId }]);
      expect(await store.get(runId)).not.toHaveProperty("pause");
    });

    test("I3 a scope that is paused again while it is resumed keeps what is still parked, and the next resume finds it", async () => {
      const { store } = await setup();
      const ids = [await queued(store), await queued(store)].toSorted();
      await store.pauseScope(acme, note);
      for (const runId of ids) await store.begin(beginOf(runId, "a", 0));
      await store.resumeScope(acme);
      expect((await store.unpark(acme, 1)).wakes).toHaveLength(1);
      await store.pauseScope(acme, note);
      expect((await store.due(10)).resuming).toEqual([]);
      expect(await store.unpark(acme, 10)).toEqual({ wakes: [], more: false });
      expect(await store.begin(beginOf(ids[0] ?? "", "b", 1))).toEqual({ status: "stale", why: "paused" });
      await store.resumeScope(acme);
      expect((await store.unpark(acme, 10)).wakes.map(({ runId }) => runId)).toEqual(ids);
    });
  });
}
