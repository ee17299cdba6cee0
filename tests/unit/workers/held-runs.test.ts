/** Which attempts a lost lease, a cancel and a clock that is wrong reach. */
import { expect, test } from "vitest";
import { silentLog } from "../../../src/telemetry/log.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createMemoryWakeQueue } from "../../../src/testing/memory-wake-queue.ts";
import { createVirtualClock, settleMicrotasks } from "../../../src/testing/virtual-clock.ts";
import { createHeldRuns } from "../../../src/workers/held-runs.ts";
import { renewHeld, startHeartbeat } from "../../../src/workers/heartbeat.ts";
import { reconcile, startReconciler } from "../../../src/workers/reconciler.ts";
import { begin, end, handedOff, policy, running, submission } from "../../support/run-store-fixture.ts";

test("I2: a lease that an ended attempt lost does not stop the run's next attempt in the same process", async () => {
  const store = createMemoryRunStore({ clock: createVirtualClock() });
  const runId = await running(store, "a");
  const held = createHeldRuns(() => undefined);
  const first = held.hold(runId, "a");
  await end(store, runId, "a", handedOff());
  await begin(store, runId, "b", 1);
  const second = held.hold(runId, "b");
  const lost = await renewHeld(store, held.all(), 5_000);
  expect(lost).toMatchObject([{ runId, token: "a" }]);
  for (const { token } of lost) held.abort(runId, "superseded", token);
  expect(first.aborted()).toBe("superseded");
  expect(second.aborted()).toBeUndefined();
  held.abort(runId, "cancelled");
  expect(second.aborted()).toBe("cancelled");
});

test("a heartbeat closes while Redis is away", async () => {
  const heartbeat = startHeartbeat(
    { redisUrl: "redis://127.0.0.1:1", prefix: "t", leaseMs: 60, endStalledProcess: false },
    () => undefined,
    () => undefined,
  );
  heartbeat.update([{ runId: "r0-01jd3xk2v7w8y9z0a1b2c3d4e5", token: "a" }]);
  // The thread has started and waits for its first answer when it has met a missing server.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await heartbeat.close();
}, 8_000);

test("I3: a run that cannot be looked at does not keep the others from being looked after", async () => {
  const clock = createVirtualClock();
  const store = createMemoryRunStore({ clock });
  const queue = createMemoryWakeQueue();
  const [broken, whole] = [submission(), submission()];
  await store.submit(broken);
  await store.submit(whole);
  await clock.advance(10_000);
  const look: typeof store.look = async (runId, options) => {
    if (runId === broken.runId) throw new Error("a record that cannot be read");
    return store.look(runId, options);
  };
  await reconcile({ store: { ...store, look }, queue, clock, log: silentLog }, policy);
  expect(queue.take("default")).toMatchObject({ runId: whole.runId });
});

test("a clock that is ahead of the store's does not make the reconciler ask without pause", async () => {
  const clock = createVirtualClock();
  const store = createMemoryRunStore({ clock });
  await store.submit(submission());
  const ahead = { ...clock, nowMs: () => clock.nowMs() + 600_000 };
  const pauseMs = await reconcile({ store, queue: createMemoryWakeQueue(), clock: ahead, log: silentLog }, policy);
  expect(pauseMs).toBeGreaterThan(1_000);
});

test("I9: final runs are swept as fast as they end", async () => {
  const clock = createVirtualClock();
  let left = 1_000;
  const sweep = async (limit: number): Promise<number> => {
    const swept = Math.min(limit, left);
    left -= swept;
    return swept;
  };
  const store = { ...createMemoryRunStore({ clock }), sweep };
  const reconciler = startReconciler({ store, queue: createMemoryWakeQueue(), clock, log: silentLog }, policy);
  await settleMicrotasks();
  for (let second = 0; second < 40; second += 1) await clock.advance(1_000);
  expect(left).toBe(0);
  await reconciler.close();
});
