/** How an attempt ends, and what people say about a suspended run. */
import type { Outcome } from "../../src/protocol/attempt.ts";
import type { Loop } from "../../src/protocol/run.ts";
import { describe, expect, test } from "vitest";
import {
  begin,
  beginOf,
  completed,
  DAY_MS,
  effectUnknown,
  end,
  eventTypes,
  fact,
  handedOff,
  intent,
  newRunId,
  policy,
  running,
  submission,
  suspended,
  LEASE_MS,
} from "./run-store-fixture.ts";
import type { OpenStore } from "./run-store-fixture.ts";

export function outcomesSuite(setup: OpenStore): void {
  const error = { code: "MODEL_UNAVAILABLE", message: "away" };

  describe("end", () => {
    test("I2 I12 completed stores the output, and the same token ends again with the same answer", async () => {
      const { store } = await setup();
      const runId = await running(store);
      const reply = await end(store, runId, "a", {
        type: "completed",
        output: { answer: 42, empty: [] },
        itemsJson: "[1]",
        contextJson: '{"x":[]}',
      });
      expect(reply).toEqual({ status: "settled", as: "completed", next: undefined });
      expect(await end(store, runId, "a", completed)).toEqual(reply);
      expect(await store.output(runId)).toEqual({ answer: 42, empty: [] });
      expect(await store.items(runId)).toEqual([submission().itemsJson, "[1]"]);
      const last = (await store.events(runId, "0-0", 100)).at(-1)?.event;
      expect(last).toMatchObject({ type: "run.completed", agent: "triage", hop: 0, output: { answer: 42, empty: [] } });
      expect(await store.due(10)).toEqual({ runIds: [], nextAtMs: undefined, resuming: [] });
    });

    test("I1 I3 a handoff starts the next hop in a new wake that goes ahead", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.record(fact(runId));
      const reply = await end(store, runId, "a", handedOff({ itemsJson: "[2]", contextJson: '{"y":1}', arguments: "{}" }));
      const next = { runId, wake: 1, agent: "refunds", queue: "slow", priority: "normal", continuation: true };
      expect(reply).toEqual({ status: "settled", as: "queued", next });
      expect(await end(store, runId, "a", handedOff())).toEqual(reply);
      expect(await store.begin(beginOf(runId, "b", 0))).toEqual({ status: "stale", why: "wake" });
      const attempt = await begin(store, runId, "b", 1);
      expect(attempt).toMatchObject({
        hop: 1,
        agent: "refunds",
        entryAgent: "triage",
        turnsBefore: 1,
        hasJournal: false,
        contextJson: '{"y":1}',
      });
      expect((await store.items(runId)).length).toBe(2);
      expect((await store.journal(runId, 0)).size).toBe(1);
    });

    test("I10 a handoff whose filter rewrote the input replaces the transcript", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await end(store, runId, "a", handedOff({ itemsJson: "[2]", replacesTranscript: true }));
      expect(await store.items(runId)).toEqual(["[2]"]);
    });

    test("I8 a handoff to nobody, or one too many, ends the run as failed", async () => {
      const { store } = await setup();
      const lost = await running(store);
      const { queue: _queue, ...unrouted } = handedOff();
      expect(await end(store, lost, "a", unrouted)).toEqual({ status: "settled", as: "failed", next: undefined });
      expect(await store.get(lost)).toMatchObject({ error: { code: "AGENT_UNKNOWN" } });
      const looping = await running(store, "a", { maxHops: 0 });
      await end(store, looping, "a", handedOff());
      expect(await store.get(looping)).toMatchObject({ status: "failed", hop: 0, error: { code: "HANDOFF_LIMIT" } });
    });

    test("I8 failed, blocked and refused end the run with their reason", async () => {
      const { store } = await setup();
      for (const type of ["failed", "blocked", "refused"] as const) {
        const runId = await running(store);
        expect(await end(store, runId, "a", { type, error })).toMatchObject({ status: "settled", as: type });
        expect(await store.get(runId)).toMatchObject({ status: type, error });
        expect((await eventTypes(store, runId)).at(-1)).toBe(`run.${type}`);
      }
    });

    test("I8 a cancelled attempt ends as cancelled, whatever it wanted", async () => {
      const { store } = await setup();
      const runId = await running(store);
      expect(await store.cancel(runId, DAY_MS)).toEqual({ status: "requested" });
      expect(await store.cancel(runId, DAY_MS)).toEqual({ status: "requested" });
      expect(await store.get(runId)).toMatchObject({ status: "running", cancelRequested: true });
      expect(await end(store, runId, "a", completed)).toEqual({ status: "settled", as: "cancelled", next: undefined });
      expect(await store.cancel(runId, DAY_MS)).toEqual({ status: "already-final", as: "cancelled" });
      expect(await store.output(runId)).toBeUndefined();
    });

    test("I8 a queued run is cancelled at once, an unknown one is not known", async () => {
      const { store } = await setup();
      const { runId } = submission();
      await store.submit(submission({ runId }));
      expect(await store.cancel(runId, DAY_MS)).toEqual({ status: "cancelled" });
      expect(await store.get(runId)).toMatchObject({ status: "cancelled" });
      expect(await store.cancel(newRunId(), DAY_MS)).toEqual({ status: "unknown" });
    });

    test("I8 a retry counts, keeps why an entry was rejected in its place and waits until its time", async () => {
      const { store, nowMs, advance } = await setup();
      const runId = await running(store);
      await store.record(fact(runId));
      const notBeforeMs = (await nowMs()) + 60_000;
      const rejects = { key: "m:0", rejectionKey: "r:0:0", rejectionJson: '{"v":1}' };
      const reply = await end(store, runId, "a", { type: "retry", notBeforeMs, error, rejects });
      expect(reply).toEqual({ status: "settled", as: "queued", next: undefined });
      expect(await store.journal(runId, 0)).toEqual(new Map([["r:0:0", rejects.rejectionJson]]));
      expect(await store.get(runId)).toMatchObject({ retries: 1, notBeforeMs, error });
      expect(await store.begin(beginOf(runId, "b", 1))).toEqual({ status: "stale", why: "not-before" });
      expect(await store.look(runId, policy)).toBeUndefined();
      await advance(60_001);
      expect((await store.due(10)).runIds).toEqual([runId]);
      expect(await store.look(runId, policy)).toMatchObject({ runId, wake: 1, continuation: true });
      expect(await begin(store, runId, "b", 1)).toMatchObject({ retries: 1, resamples: 1 });
      const now = await end(store, runId, "b", { type: "retry", notBeforeMs: 0, error });
      expect(now).toMatchObject({ as: "queued", next: { wake: 2 } });
    });

    test("I8 a worker that does not hold the agent is counted apart from the hop's retries, until the run changes hands", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await end(store, runId, "a", { type: "retry", misplaced: true, notBeforeMs: 0, error });
      expect(await begin(store, runId, "b", 1)).toMatchObject({ retries: 0, misplaced: 1 });
      await end(store, runId, "b", handedOff());
      expect(await begin(store, runId, "c", 2)).toMatchObject({ misplaced: 0 });
    });

    test("I8 a released run is free at once and nothing is counted", async () => {
      const { store, advance } = await setup();
      const runId = await running(store);
      await advance(2 * LEASE_MS);
      await begin(store, runId, "b");
      expect(await end(store, runId, "b", { type: "released" })).toMatchObject({ as: "queued", next: { wake: 1, continuation: true } });
      expect(await store.get(runId)).toMatchObject({ retries: 0, deaths: 0 });
      expect((await eventTypes(store, runId)).at(-1)).toBe("attempt.released");
    });
  });

  describe("unknown effects", () => {
    test("I5 a result that a person gives is found by the replay", async () => {
      const { store } = await setup();
      const runId = await suspended(store, effectUnknown, [intent("c1"), intent("c2")]);
      const first = await store.resolve(runId, "c1", { type: "ran", resultJson: '"done"' }, DAY_MS);
      expect(first).toEqual({ status: "resolved", next: undefined });
      expect(await store.journal(runId, 0)).toEqual(new Map([["t:c1", '{"v":1,"output":"done"}']]));
      const last = await store.resolve(runId, "c2", { type: "not-run" }, DAY_MS);
      expect(last).toMatchObject({ status: "resolved", next: { wake: 1 } });
      expect(await store.resolve(runId, "c2", { type: "not-run" }, DAY_MS)).toMatchObject({ status: "not-open" });
      expect(await begin(store, runId, "b", 1)).toMatchObject({ hasJournal: true, openIntents: [] });
    });

    test("I8 a person may end the run", async () => {
      const { store } = await setup();
      const runId = await suspended(store, effectUnknown, [intent("c1")]);
      expect(await store.resolve(runId, "c1", { type: "fail" }, DAY_MS)).toEqual({ status: "resolved", next: undefined });
      expect(await store.get(runId)).toMatchObject({ status: "failed", error: { code: "TOOL_FAILED" } });
      expect(await store.resolve(newRunId(), undefined, { type: "fail" }, DAY_MS)).toEqual({ status: "unknown" });
    });

    test("I3 without an open intent left, the run is queued instead of parked", async () => {
      const { store } = await setup();
      const runId = await running(store);
      expect(await end(store, runId, "a", effectUnknown)).toMatchObject({ as: "queued", next: { wake: 1 } });
    });

    test("I2 the late result of a superseded attempt resumes the run that waits for it", async () => {
      const { store } = await setup();
      const runId = await suspended(store, effectUnknown, [intent("c1")]);
      await store.record(fact(runId, { key: "t:c1", turns: 0, closesIntent: "c1", event: undefined }));
      expect(await store.get(runId)).toMatchObject({ status: "queued", wake: 1 });
      expect((await store.due(10)).runIds).toEqual([runId]);
    });

    test("I8 a loop is told before its end; a person lets it go on once, or ends the run", async () => {
      const { store } = await setup();
      const loop: Loop = { id: "loop:0:m:0:5", kind: "calls", cycle: ["find"], rounds: 5 };
      const looping: Outcome = { type: "suspended", suspension: "loop", loop, error };
      const asked = await suspended(store, looping);
      expect((await eventTypes(store, asked)).slice(-2)).toEqual(["loop.detected", "run.suspended"]);
      expect(await store.get(asked)).toMatchObject({ status: "suspended", suspension: "loop", error });
      expect(await store.resolve(asked, undefined, { type: "resample" }, DAY_MS)).toMatchObject({ status: "not-open" });
      expect(await store.resolve(asked, undefined, { type: "continue" }, DAY_MS)).toMatchObject({ next: { wake: 1 } });
      expect(await store.resolve(asked, undefined, { type: "continue" }, DAY_MS)).toMatchObject({ status: "not-open" });
      expect((await begin(store, asked, "b", 1)).decisions.get(loop.id)).toMatchObject({ approve: true, agent: "triage" });
      const ended = await suspended(store, looping);
      await store.resolve(ended, undefined, { type: "fail" }, DAY_MS);
      expect(await store.get(ended)).toMatchObject({ status: "failed", error: { code: "LOOP_DETECTED" } });
      const stopped = await running(store);
      await end(store, stopped, "a", { type: "failed", error, loop });
      expect((await eventTypes(store, stopped)).slice(-2)).toEqual(["loop.detected", "run.failed"]);
      const unknown = await suspended(store, effectUnknown, [intent("c1")]);
      expect(await store.resolve(unknown, undefined, { type: "continue" }, DAY_MS)).toMatchObject({ status: "not-open" });
    });

    test("I9 the record holds the latest agents that had the run, and no more", async () => {
      const { store } = await setup();
      const runId = await running(store, "t0", { maxHops: 100 });
      expect(await store.get(runId)).not.toHaveProperty("recentAgents");
      for (let hop = 0; hop < 34; hop += 1) {
        await end(store, runId, `t${hop}`, handedOff({ to: `agent-${hop + 1}` }));
        await begin(store, runId, `t${hop + 1}`, hop + 1);
      }
      const latest = Array.from({ length: 32 }, (_, index) => `agent-${index + 2}`);
      expect(await store.get(runId)).toMatchObject({ agent: "agent-34", recentAgents: latest });
      await end(store, runId, "t34", { type: "released" });
      expect(await begin(store, runId, "u", 35)).toMatchObject({ recentAgents: latest });
    });

    test("I8 a diverged replay that a person ends has its own code, so that what a deploy stopped is retried together", async () => {
      const { store } = await setup();
      const runId = await suspended(store, { type: "suspended", suspension: "replay-diverged", error });
      expect(await store.resolve(runId, undefined, { type: "fail" }, DAY_MS)).toMatchObject({ status: "resolved", next: undefined });
      expect(await store.get(runId)).toMatchObject({ status: "failed", error: { code: "REPLAY_DIVERGED" } });
      expect(await store.failures({ code: "REPLAY_DIVERGED" })).toMatchObject([{ count: 1, newest: runId }]);
    });

    test("I5 a diverged replay goes on only when a person has it sampled anew", async () => {
      const { store } = await setup();
      const runId = await running(store);
      await store.record(fact(runId));
      await end(store, runId, "a", { type: "suspended", suspension: "replay-diverged", error });
      expect(await store.get(runId)).toMatchObject({ status: "suspended", suspension: "replay-diverged", error });
      expect(await store.resolve(runId, undefined, { type: "not-run" }, DAY_MS)).toMatchObject({ status: "not-open" });
      expect(await store.resolve(runId, undefined, { type: "resample" }, DAY_MS)).toMatchObject({ next: { wake: 1 } });
      expect(await store.journal(runId, 0)).toEqual(new Map());
      expect(await begin(store, runId, "b", 1)).toMatchObject({ hasJournal: false });
    });
  });
}
