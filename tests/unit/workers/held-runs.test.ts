/** Which attempts a lost lease and a cancel reach. */
import { expect, test } from "vitest";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { createHeldRuns } from "../../../src/workers/held-runs.ts";
import { renewHeld, startHeartbeat } from "../../../src/workers/heartbeat.ts";
import { begin, end, handedOff, running } from "../../support/run-store-fixture.ts";

test("I2: a lease that an ended attempt lost does not stop the run's next attempt in the same process", async () => {
  const store = createMemoryRunStore({ clock: createVirtualClock() });
  const runId = await running(store, "a");
  const held = createHeldRuns(() => undefined);
  const first = held.hold(runId, "a");
  await end(store, runId, "a", handedOff());
  await begin(store, runId, "b", 1);
  const second = held.hold(runId, "b");
  const lost = await renewHeld(store, held.all(), 5_000);
  expect(lost).toEqual([{ runId, token: "a", why: "superseded" }]);
  for (const { token, why } of lost) held.abort(runId, why, token);
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
