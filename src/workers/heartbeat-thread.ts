/** The thread of `heartbeat.ts`: it owns a Redis connection and renews what it is told, as long as the main loop ticks. */
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../clock.ts";
import type { HeldRun } from "../protocol/attempt.ts";
import { connectRedis } from "../redis/connection.ts";
import { createRedisRunStore } from "../redis/redis-run-store.ts";
import { beatEveryMs, type FromThread, renewHeld, STALLED_LEASES, type ThreadData, type ToThread } from "./heartbeat.ts";

// What `startHeartbeat` passed, by its `satisfies`.
const { redisUrl, prefix, leaseMs, endStalledProcess, ticks } = workerData as ThreadData;
const redis = connectRedis({ url: redisUrl, role: "worker", name: "heartbeat" });
const store = createRedisRunStore({ redis, clock: systemClock, prefix });
const closing = new AbortController();
let held: readonly HeldRun[] = [];
const tell = (message: FromThread): void => parentPort?.postMessage(message);

parentPort?.on("message", (message: ToThread) => {
  if (message.type === "close") closing.abort();
  else held = message.held;
});

/** The main loop cannot be asked any more; its supervisor starts another process. */
function endProcess(stalledMs: number): void {
  const record = {
    level: 50,
    time: systemClock.nowMs(),
    event: "process.stalled",
    stalledMs,
    msg: "the main loop hangs; the process ends itself",
  };
  writeSync(2, `${JSON.stringify(record)}\n`);
  process.kill(process.pid, "SIGKILL");
}

let seen = -1;
let stalledMs = 0;
while (!closing.signal.aborted) {
  await systemClock.sleep(beatEveryMs(leaseMs), closing.signal);
  const now = Atomics.load(ticks, 0);
  const mainLoopTicks = now !== seen;
  seen = now;
  stalledMs = mainLoopTicks ? 0 : stalledMs + beatEveryMs(leaseMs);
  if (endStalledProcess && stalledMs >= STALLED_LEASES * leaseMs) endProcess(stalledMs);
  if (!mainLoopTicks || held.length === 0 || closing.signal.aborted) continue;
  try {
    const told = await renewHeld(store, held, leaseMs);
    if (told.length > 0) tell({ type: "told", told });
  } catch (error) {
    tell({ type: "errored", message: error instanceof Error ? error.message : String(error) });
  }
}
await store.close();
redis.disconnect();
parentPort?.close();
