/** An evaluation that nobody works on ends, and says so before. */
import { onTestFinished, expect, test } from "vitest";
import { NO_WORKER_AFTER_MS, watchWorkers } from "../../../src/producers/evaluation/live-workers.ts";
import { ANNOUNCE_EVERY_MS, GONE_AFTER_MS } from "../../../src/protocol/registry.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { createVirtualClock, settleMicrotasks } from "../../../src/testing/virtual-clock.ts";

function setup(agents = ["a"]) {
  const clock = createVirtualClock();
  const store = createMemoryRunStore({ clock });
  const missing: string[][] = [];
  const announce = (names: readonly string[], skewMs = 0) =>
    store.announce(
      {
        v: 1,
        workerId: "w",
        host: "h",
        pid: 1,
        queues: ["default"],
        agents: [...names],
        slots: 1,
        busy: 0,
        startedAtMs: clock.nowMs(),
        seenAtMs: clock.nowMs() + skewMs,
        release: "0",
      },
      [],
    );
  const watch = watchWorkers({ store, clock, onMissing: (names) => missing.push([...names]) }, agents);
  onTestFinished(() => watch[Symbol.dispose]());
  return { clock, missing, announce, watch };
}

test("an evaluation without a live worker says so at once, and ends after half a minute", async () => {
  const { clock, missing, watch } = setup();
  await settleMicrotasks();
  expect(missing).toEqual([["a"]]);
  await clock.advance(NO_WORKER_AFTER_MS - 1);
  expect(watch.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(watch.signal.reason).toMatchObject({ code: "WORKERS_GONE" });
  expect(missing).toHaveLength(1);
});

test("an evaluation goes on when a worker comes in time, and ends when its last one is gone for good", async () => {
  const { clock, missing, announce, watch } = setup();
  await clock.advance(NO_WORKER_AFTER_MS - 1);
  await announce(["a"]);
  await clock.advance(GONE_AFTER_MS);
  expect(watch.signal.aborted).toBe(false);
  await clock.advance(NO_WORKER_AFTER_MS + ANNOUNCE_EVERY_MS);
  expect(missing).toEqual([["a"], ["a"]]);
  expect(watch.signal.reason).toMatchObject({ code: "WORKERS_GONE" });
});

test("a worker whose clock is an hour behind lives as long as it gives signs", async () => {
  const { clock, announce, watch } = setup();
  for (let spentMs = 0; spentMs <= 2 * NO_WORKER_AFTER_MS; spentMs += ANNOUNCE_EVERY_MS) {
    await announce(["a"], -3_600_000);
    await clock.advance(ANNOUNCE_EVERY_MS);
  }
  expect(watch.signal.aborted).toBe(false);
  await clock.advance(GONE_AFTER_MS + NO_WORKER_AFTER_MS + ANNOUNCE_EVERY_MS);
  expect(watch.signal.reason).toMatchObject({ code: "WORKERS_GONE" });
});

test("one agent without a worker is enough, such as the judge", async () => {
  const { clock, announce, watch } = setup(["a", "judge"]);
  for (let spentMs = 0; spentMs <= NO_WORKER_AFTER_MS; spentMs += ANNOUNCE_EVERY_MS) {
    await announce(["a"]);
    await clock.advance(ANNOUNCE_EVERY_MS);
  }
  expect(watch.signal.reason).toMatchObject({ code: "WORKERS_GONE", message: expect.stringContaining("worker for judge;") });
});
