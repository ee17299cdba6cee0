/** What a run store promises about tool calls that wait for a person: asked, decided once, timed out, refused, announced, listed. */
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/protocol/attempt.ts";
import type { RunStore } from "../../src/protocol/run-store.ts";
import {
  approval,
  awaitingApproval,
  begin,
  beginOf,
  completed,
  DAY_MS,
  decision,
  end,
  eventTypes,
  newRunId,
  policy,
  running,
  suspended,
  type OpenStore,
} from "./run-store-fixture.ts";

type Suspended = Extract<Outcome, { readonly type: "suspended" }>;
const HOUR_MS = 3_600_000;

/** Waits for c1 no longer than an hour. */
const timed = (onTimeout: "reject" | "fail", more: Partial<Suspended> = {}): Outcome => ({
  type: "suspended",
  suspension: "approval",
  approvals: [{ ...approval("c1"), withinMs: HOUR_MS, onTimeout }],
  ...more,
});

const eventOf = async (store: RunStore, runId: string, type: string) =>
  (await store.events(runId, "0-0", 1_000)).map(({ event }) => event).filter((event) => event.type === type);

export function approvalSuite(setup: OpenStore): void {
  describe("approval", () => {
    test("I6 a run that waits for people holds no dispatch entry and goes on after the last decision", async () => {
      const { store, nowMs } = await setup();
      const runId = await suspended(store, awaitingApproval("c1", "c2"));
      const info = await store.get(runId);
      expect(info).toMatchObject({ status: "suspended", suspension: "approval", decisions: [] });
      expect(info?.approvals.map(({ callId }) => callId)).toEqual(["c1", "c2"]);
      expect(Math.abs((info?.approvals[0]?.requestedAtMs ?? 0) - (await nowMs()))).toBeLessThan(HOUR_MS);
      expect(await store.due(10)).toMatchObject({ runIds: [], nextAtMs: info?.deadlineAtMs });
      expect(await store.begin(beginOf(runId, "b", 0))).toEqual({ status: "stale", why: "suspended" });
      expect(await store.decide(runId, "c1", decision("d1"))).toEqual({ status: "resolved", next: undefined });
      const last = await store.decide(runId, "c2", decision("d2", { approve: false, reason: "no", by: "ann" }));
      expect(last).toMatchObject({ status: "resolved", next: { wake: 1 } });
      const { decisions } = await begin(store, runId, "b", 1);
      expect(decisions.get("c1")).toMatchObject({ callId: "c1", tool: "refund", agent: "triage", approve: true });
      expect(decisions.get("c2")).toMatchObject({ approve: false, reason: "no", by: "ann" });
      expect(await store.decide(newRunId(), "c1", decision("d3"))).toEqual({ status: "unknown" });
    });

    test("a decision is kept as it was said, and every follower sees it", async () => {
      const { store, nowMs } = await setup();
      const runId = await suspended(store, awaitingApproval("c1"));
      const said = { approve: true, by: "ann", reason: 'a "good" one/é', arguments: '{"amount":5}', always: true } as const;
      await store.decide(runId, "c1", { id: "d1", decision: said });
      const [kept] = (await store.get(runId))?.decisions ?? [];
      expect(kept).toMatchObject({ ...said, callId: "c1", tool: "refund", agent: "triage" });
      expect(Math.abs((kept?.atMs ?? 0) - (await nowMs()))).toBeLessThan(HOUR_MS);
      expect(await eventOf(store, runId, "approval.decided")).toMatchObject([{ ...said, callId: "c1", tool: "refund", hop: 0 }]);
      await begin(store, runId, "b", 1);
      await end(store, runId, "b", completed);
      expect((await store.get(runId))?.decisions).toEqual([kept]);
    });

    test("I12 a decision that is sent twice is one decision, and gets its first answer", async () => {
      const { store } = await setup();
      const runId = await suspended(store, awaitingApproval("c1"));
      const first = await store.decide(runId, "c1", decision("d1"));
      expect(await store.decide(runId, "c1", decision("d1"))).toEqual(first);
      expect(await eventOf(store, runId, "approval.decided")).toHaveLength(1);
      await begin(store, runId, "b", 1);
      expect(await store.decide(runId, "c1", decision("d1"))).toEqual({ status: "resolved", next: undefined });
    });

    test("of two people who decide at once exactly one does", async () => {
      const { store } = await setup();
      const runId = await suspended(store, awaitingApproval("c1"));
      const replies = await Promise.all([
        store.decide(runId, "c1", decision("d1", { by: "ann" })),
        store.decide(runId, "c1", decision("d2", { by: "bob", approve: false })),
      ]);
      expect(replies.map(({ status }) => status).toSorted()).toEqual(["not-open", "resolved"]);
      const winner = replies[0].status === "resolved" ? "ann" : "bob";
      expect((await store.get(runId))?.decisions).toMatchObject([{ by: winner }]);
      const late = await store.decide(runId, "c1", decision("d3", { by: "cyd" }));
      expect(late).toMatchObject({ status: "not-open", info: { decisions: [{ by: winner }] } });
    });

    test("a decision before the question is parked is not taken, and the same decision is, after", async () => {
      const { store } = await setup();
      const runId = await running(store);
      expect(await store.decide(runId, "c1", decision("d1"))).toMatchObject({ status: "not-open", info: { status: "running" } });
      await end(store, runId, "a", awaitingApproval("c1"));
      expect(await store.decide(runId, "c1", decision("d1"))).toMatchObject({ status: "resolved", next: { wake: 1 } });
    });

    test("I3 a question that was answered before it was parked queues the run at once", async () => {
      const { store } = await setup();
      const runId = await suspended(store, awaitingApproval("c1"));
      await store.decide(runId, "c1", decision("d1"));
      await begin(store, runId, "b", 1);
      expect(await end(store, runId, "b", awaitingApproval("c1"))).toMatchObject({ as: "queued", next: { wake: 2 } });
      expect((await store.get(runId))?.approvals).toEqual([]);
    });

    test("I11 a decision on behalf of another tenant finds no run", async () => {
      const { store } = await setup();
      const runId = await suspended(store, awaitingApproval("c1"));
      expect(await store.decide(runId, "c1", { ...decision("d1"), tenant: "other" })).toEqual({ status: "unknown" });
      expect(await store.decide(runId, "c1", { ...decision("d1"), tenant: "acme" })).toMatchObject({ status: "resolved" });
    });

    test("I8 a suspended run can be cancelled and then waits for nobody", async () => {
      const { store } = await setup();
      const runId = await suspended(store, timed("reject", { announce: true }));
      expect(await store.cancel(runId, DAY_MS)).toEqual({ status: "cancelled" });
      const info = await store.get(runId);
      expect(info).toMatchObject({ status: "cancelled", approvals: [] });
      expect(info?.suspension).toBeUndefined();
      expect(info?.announceAtMs).toBeUndefined();
      expect((await store.due(10)).runIds).toEqual([]);
      expect(await store.list({ suspension: "approval", limit: 10 })).toEqual([]);
      expect(await store.decide(runId, "c1", decision("d1"))).toMatchObject({ status: "not-open", info: { status: "cancelled" } });
    });
  });

  describe("approval deadlines", () => {
    test("I6 a run with a deadline stands in dispatch by it, and nowhere once it is decided", async () => {
      const { store } = await setup();
      const runId = await running(store);
      const approvals = [
        { ...approval("c1"), withinMs: HOUR_MS, onTimeout: "reject" } as const,
        { ...approval("c2"), withinMs: 2 * HOUR_MS, onTimeout: "reject" } as const,
        approval("c3"),
      ];
      await end(store, runId, "a", { type: "suspended", suspension: "approval", approvals });
      const [first, second, third] = (await store.get(runId))?.approvals ?? [];
      expect((first?.deadlineAtMs ?? 0) - (first?.requestedAtMs ?? 0)).toBe(HOUR_MS);
      expect(third?.deadlineAtMs).toBeUndefined();
      expect(await store.due(10)).toMatchObject({ runIds: [], nextAtMs: first?.deadlineAtMs });
      await store.decide(runId, "c1", decision("d1"));
      expect((await store.due(10)).nextAtMs).toBe(second?.deadlineAtMs);
      await store.decide(runId, "c2", decision("d2"));
      expect((await store.due(10)).nextAtMs).toBe((await store.get(runId))?.deadlineAtMs);
    });

    test("nobody decided: the run goes on with a decision that says so", async () => {
      const { store, advance } = await setup();
      const runId = await suspended(store, timed("reject"));
      expect(await store.look(runId, policy)).toBeUndefined();
      await advance(HOUR_MS);
      expect((await store.due(10)).runIds).toEqual([runId]);
      expect(await store.look(runId, policy)).toMatchObject({ runId, wake: 1 });
      const { decisions } = await begin(store, runId, "b", 1);
      expect(decisions.get("c1")).toMatchObject({ approve: false, timedOut: true, tool: "refund" });
      expect(await eventOf(store, runId, "approval.decided")).toMatchObject([{ callId: "c1", approve: false, timedOut: true }]);
      expect((await eventTypes(store, runId)).slice(-3)).toEqual(["approval.decided", "run.resumed", "attempt.started"]);
    });

    test("I8 nobody decided and the policy ends the run: it fails with a code of its own", async () => {
      const { store, advance } = await setup();
      const runId = await suspended(store, timed("fail"));
      await advance(HOUR_MS);
      expect(await store.look(runId, policy)).toBeUndefined();
      const info = await store.get(runId);
      expect(info).toMatchObject({ status: "failed", error: { code: "APPROVAL_TIMED_OUT" }, decisions: [{ timedOut: true }] });
      expect(info?.error?.message).toContain("refund");
    });

    test("from its deadline on a call is the policy's, whoever comes first", async () => {
      const { store, advance } = await setup();
      const runId = await suspended(store, timed("reject"));
      await advance(HOUR_MS);
      const late = await store.decide(runId, "c1", decision("d1", { by: "ann" }));
      expect(late).toMatchObject({ status: "not-open", info: { status: "suspended" } });
      await store.look(runId, policy);
      expect(await store.decide(runId, "c1", decision("d1", { by: "ann" }))).toMatchObject({ status: "not-open" });
      expect((await store.get(runId))?.decisions).toMatchObject([{ timedOut: true }]);
    });

    test("before its deadline a decision wins, and the deadline changes nothing after it", async () => {
      const { store, advance } = await setup();
      const runId = await suspended(store, timed("fail"));
      await store.decide(runId, "c1", decision("d1", { by: "ann" }));
      await advance(HOUR_MS);
      await store.look(runId, policy);
      expect(await store.get(runId)).toMatchObject({ status: "queued", decisions: [{ by: "ann" }] });
    });

    test("only the late calls are decided by the policy; the others go on waiting", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      const approvals = [{ ...approval("c1"), withinMs: HOUR_MS, onTimeout: "reject" } as const, approval("c2")];
      await end(store, runId, "a", { type: "suspended", suspension: "approval", approvals });
      await advance(HOUR_MS);
      expect(await store.look(runId, policy)).toBeUndefined();
      expect(await store.get(runId)).toMatchObject({ status: "suspended", approvals: [{ callId: "c2" }], decisions: [{ callId: "c1" }] });
      expect((await store.due(10)).runIds).toEqual([]);
      expect(await store.decide(runId, "c2", decision("d2"))).toMatchObject({ next: { wake: 1 } });
    });
  });

  describe("refused decisions", () => {
    test("I2 a refused decision stays in the history, and its call waits again, no longer than before, and can be decided again", async () => {
      const { store, advance } = await setup();
      const runId = await suspended(store, timed("reject"));
      await advance(HOUR_MS / 2);
      const [{ requestedAtMs, deadlineAtMs } = {}] = (await store.get(runId))?.approvals ?? [];
      for (const round of [1, 2]) {
        await store.decide(runId, "c1", decision(`d${round}`, { by: `mallory-${round}` }));
        await begin(store, runId, `t${round}`, round);
        const again = timed("reject", { refusals: [{ callId: "c1", why: 'not "you"' }] });
        expect(await end(store, runId, `t${round}`, again)).toMatchObject({ as: "suspended" });
      }
      expect(await store.get(runId)).toMatchObject({
        approvals: [{ callId: "c1", requestedAtMs, deadlineAtMs }],
        decisions: [
          { by: "mallory-1", requestedAtMs, refused: { why: 'not "you"' } },
          { by: "mallory-2", refused: { why: 'not "you"' } },
        ],
      });
      expect(await eventOf(store, runId, "approval.refused")).toMatchObject([
        { callId: "c1", tool: "refund", by: "mallory-1", why: 'not "you"' },
        { by: "mallory-2" },
      ]);
      await store.decide(runId, "c1", decision("d3", { by: "ann" }));
      expect((await begin(store, runId, "t3", 3)).decisions).toEqual(new Map([["c1", expect.objectContaining({ by: "ann" })]]));
    });
  });

  describe("announcing", () => {
    test("questions that nobody announced come up again, with growing pauses, until somebody did", async () => {
      const { store, advance } = await setup();
      const runId = await suspended(store, { ...awaitingApproval("c1"), announce: true } as Suspended);
      expect((await store.due(10)).runIds).toEqual([]);
      for (const pauseMs of [5_000, 5_000, 15_000]) {
        await advance(pauseMs);
        expect((await store.due(10)).runIds).toEqual([runId]);
        expect(await store.look(runId, policy)).toBeUndefined();
        expect((await store.due(10)).runIds).toEqual([]);
        expect((await store.get(runId))?.announceAtMs).toBeDefined();
      }
      await store.announced(runId, 9);
      expect((await store.get(runId))?.announceAtMs).toBeDefined();
      await store.announced(runId, 0);
      expect((await store.get(runId))?.announceAtMs).toBeUndefined();
      expect((await store.due(10)).nextAtMs).toBe((await store.get(runId))?.deadlineAtMs);
    });

    test("an announcement keeps the deadline, and a decision ends both", async () => {
      const { store } = await setup();
      const runId = await suspended(store, timed("reject", { announce: true }));
      const deadlineAtMs = (await store.get(runId))?.approvals[0]?.deadlineAtMs;
      await store.announced(runId, 0);
      expect((await store.due(10)).nextAtMs).toBe(deadlineAtMs);
      await store.decide(runId, "c1", decision("d1"));
      await store.announced(runId, 0);
      expect(await store.get(runId)).toMatchObject({ status: "queued" });
    });
  });

  test("what waits is listed from an index of its own, by tenant, newest first", async () => {
    const { store, advance } = await setup();
    const runs: string[] = [];
    for (const tenant of ["acme", "umbrella", "acme"]) {
      const runId = await running(store, "a", { tenant });
      await end(store, runId, "a", awaitingApproval("c1"));
      runs.push(runId);
      // Run ids sort by the millisecond in which they were made.
      await advance(1);
    }
    const laned = await running(store);
    await end(store, laned, "a", { type: "suspended", suspension: "lane", untilMs: 0 });
    const listed = async (query: { tenant?: string; before?: string; limit: number }) =>
      (await store.list({ suspension: "approval", ...query })).map(({ runId }) => runId);
    const newestFirst = runs.toSorted().toReversed();
    expect(await listed({ limit: 10 })).toEqual(newestFirst);
    expect(await listed({ limit: 1, before: newestFirst[0] ?? "" })).toEqual([newestFirst[1]]);
    expect(await listed({ tenant: "umbrella", limit: 10 })).toEqual([runs[1]]);
    await store.decide(runs[1] ?? "", "c1", decision("d1"));
    expect(await listed({ tenant: "umbrella", limit: 10 })).toEqual([]);
    expect(await store.list({ status: "suspended", tenant: "acme", limit: 10 })).toHaveLength(3);
  });
}
