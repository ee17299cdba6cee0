/** The thread of `heartbeat.ts`: it owns a Redis connection and renews what it is told, as long as the main loop ticks. */
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../clock.ts";
import type { HeldRun } from "../protocol/run-store.ts";
import { connectRedis } from "../redis/connection.ts";
import { createRedisRunStore } from "../redis/redis-run-store.ts";
import { beatEveryMs, type FromThread, renewHeld, type ThreadData, type ToThread } from "./heartbeat.ts";

// What `startHeartbeat` passed, by its `satisfies`.
const { redisUrl, prefix, leaseMs, ticks } = workerData as ThreadData;
const redis = connectRedis({ url: redisUrl, role: "worker", name: "heartbeat" });
const store = createRedisRunStore({ redis, clock: systemClock, prefix });
const closing = new AbortController();
let held: readonly HeldRun[] = [];
const tell = (message: FromThread): void => parentPort?.postMessage(message);

parentPort?.on("message", (message: ToThread) => {
  if (message.type === "close") closing.abort();
  else held = message.held;
});

let seen = -1;
while (!closing.signal.aborted) {
  await systemClock.sleep(beatEveryMs(leaseMs), closing.signal);
  const now = Atomics.load(ticks, 0);
  const mainLoopTicks = now !== seen;
  seen = now;
  if (!mainLoopTicks || held.length === 0 || closing.signal.aborted) continue;
  try {
    const lost = await renewHeld(store, held, leaseMs);
    if (lost.length > 0) tell({ type: "lost", lost });
  } catch (error) {
    tell({ type: "errored", message: error instanceof Error ? error.message : String(error) });
  }
}
await store.close();
redis.disconnect();
parentPort?.close();
