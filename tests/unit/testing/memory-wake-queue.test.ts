import { expect, test } from "vitest";
import type { WakeJob } from "../../../src/protocol/job.ts";
import { createMemoryWakeQueue } from "../../../src/testing/memory-wake-queue.ts";

const wake = (runId: string, overrides: Partial<WakeJob> = {}): WakeJob => ({
  runId,
  wake: 0,
  agent: "a",
  queue: "default",
  priority: "normal",
  continuation: false,
  ...overrides,
});

test("continuations and high wakes go ahead, low ones behind, and a wake that is there is left alone", async () => {
  const queue = createMemoryWakeQueue();
  let added = 0;
  const leave = queue.onAdded(() => {
    added += 1;
  });
  await queue.add([wake("low", { priority: "low" }), wake("first"), wake("second"), wake("first")]);
  await queue.add([wake("high", { priority: "high" }), wake("started", { continuation: true, wake: 1 }), wake("other", { queue: "slow" })]);
  leave();
  await queue.add([]);
  const taken = Array.from({ length: 6 }, () => queue.take("default")?.runId);
  expect(taken).toEqual(["started", "high", "first", "second", "low", undefined]);
  expect(queue.take("slow")?.runId).toBe("other");
  expect(added).toBe(2);
});
