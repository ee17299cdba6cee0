/** A fleet with its worker in this process on a private Redis, for the measurements that need times rather than CPU. */
import { randomUUID } from "node:crypto";
import type { Model } from "@openai/agents";
import type { Redis } from "ioredis";
import type { AgentMap } from "../../src/agents/catalog.ts";
import { type AgentsIn, createFleet, type Fleet, type RunRequest } from "../../src/index.ts";
import { systemClock } from "../../src/clock.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import { silentLog } from "../../src/telemetry/log.ts";

export interface Settled {
  readonly runId: string;
  readonly outcome: string;
  readonly atMs: number;
}

export interface Rig<M extends AgentMap> {
  readonly fleet: Fleet<M>;
  readonly prefix: string;
  readonly redis: Redis;
  /** Hears of every settled attempt. */
  onSettled(hear: (settled: Settled) => void): void;
  close(): Promise<void>;
}

export function openRig<const M extends AgentMap>(
  redisUrl: string,
  agents: M,
  model: Model,
): Rig<M> & { startWorker(concurrency: number): Promise<void> } {
  const prefix = `b${randomUUID().slice(0, 8)}`;
  const fleet = createFleet({ agents, models: { m: model }, redis: redisUrl, prefix });
  const redis = connectRedis({ url: redisUrl, role: "producer", name: "bench" });
  const ears = new Set<(settled: Settled) => void>();
  const log = {
    ...silentLog,
    info: (fields: { readonly event?: string; readonly runId?: string; readonly outcome?: string }): void => {
      if (fields.event !== "attempt.settled") return;
      const settled = { runId: fields.runId ?? "", outcome: fields.outcome ?? "", atMs: performance.now() };
      for (const hear of ears) hear(settled);
    },
  };
  return {
    fleet,
    prefix,
    redis,
    onSettled: (hear) => void ears.add(hear),
    startWorker: async (concurrency) => void (await fleet.worker({ concurrency, log })),
    async close() {
      await fleet.close();
      redis.disconnect();
    },
  };
}

/** A run that an attempt holds, without a worker: for measuring what the store does. */
export async function openHeldRun(redisUrl: string) {
  const prefix = `b${randomUUID().slice(0, 8)}`;
  const redis = connectRedis({ url: redisUrl, role: "producer", name: "bench-held" });
  const store = createRedisRunStore({ redis, clock: systemClock, prefix });
  const runId = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";
  const empty = { itemsJson: "[]", contextJson: "{}", metadataJson: "{}", settingsJson: "{}", inputHash: "h", delayMs: 0 } as const;
  await store.submit({ ...empty, runId, agent: "a", queue: "q", tenant: "t", priority: "normal", deadlineMs: 3_600_000, maxHops: 3 });
  await store.begin({ runId, wake: 0, token: "bench", workerId: "bench", leaseMs: 600_000, maxDeaths: 1 });
  return {
    prefix,
    redis,
    store,
    runId,
    async close() {
      await store.close();
      redis.disconnect();
    },
  };
}

/** Submits `count` runs in bounded memory; resolves when all are accepted. */
export async function submitAll<M extends AgentMap>(fleet: Fleet<M>, agent: keyof M & string, count: number): Promise<void> {
  function* requests(): Generator<RunRequest<AgentsIn<M>>> {
    for (let index = 0; index < count; index += 1) yield { agent, input: "go" } as RunRequest<AgentsIn<M>>; // the benchmark's agents have no input schema
  }
  for await (const answer of fleet.submitMany(requests())) if ("error" in answer) throw answer.error;
}

/** Resolves when `count` runs were settled as completed from now on. */
export function completions(rig: Pick<Rig<AgentMap>, "onSettled">, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  rig.onSettled(({ outcome }) => {
    if (outcome !== "completed") return;
    left -= 1;
    if (left === 0) resolve();
  });
  return promise;
}
