/** What the reconciler does where the store, the queue or the clock fails it. */
import { expect, test } from "vitest";
import { silentLog } from "../../../src/telemetry/log.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createMemoryWakeQueue } from "../../../src/testing/memory-wake-queue.ts";
import { createVirtualClock, settleMicrotasks } from "../../../src/testing/virtual-clock.ts";
import { reconcile, startReconciler } from "../../../src/workers/reconciler.ts";
import { policy, submission } from "../../support/run-store-fixture.ts";

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

test("I3: a wake that the queue refused is offered again within a second, not at its run's next look", async () => {
  const clock = createVirtualClock();
  const store = createMemoryRunStore({ clock });
  const queue = createMemoryWakeQueue();
  await store.submit(submission());
  // Full at each of the first looks: after 5, 20 and 65 seconds. The look after those comes minutes later.
  const fullUntilMs = clock.nowMs() + 66_000;
  const add: typeof queue.add = async (wakes, options) => {
    if (clock.nowMs() < fullUntilMs) throw new Error("OOM command not allowed");
    await queue.add(wakes, options);
  };
  const reconciler = startReconciler({ store, queue: { ...queue, add }, clock, log: silentLog }, policy);
  await settleMicrotasks();
  for (let second = 0; second < 65; second += 1) await clock.advance(1_000);
  expect(queue.size("default")).toBe(0);
  await clock.advance(1_000);
  expect(queue.size("default")).toBe(1);
  await reconciler.close();
});
