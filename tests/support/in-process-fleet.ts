/** A fleet with its worker in the test's own process, on the run's Redis, with a prefix of its own and a fake provider. */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { inject } from "vitest";
import type { AgentMap } from "../../src/agents/catalog.ts";
import { createFleet, type FleetOptions, type FleetWorkerOptions, type Log } from "../../src/index.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import { systemClock } from "../../src/clock.ts";
import { type FakeProvider, type FakeRule, startFakeProvider } from "../../src/testing/fake-provider.ts";

export interface LogRecord {
  readonly event?: string;
  readonly [field: string]: unknown;
}

/** A log that a test reads. */
export function recordingLog(): Log & { readonly records: LogRecord[] } {
  const records: LogRecord[] = [];
  const keep = (fields: object): void => {
    records.push({ ...fields });
  };
  return { records, debug: keep, info: keep, warn: keep, error: keep };
}

export interface InProcess {
  readonly provider: FakeProvider;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly log: ReturnType<typeof recordingLog>;
  fleet<const M extends AgentMap>(agents: M, options?: Partial<FleetOptions<M>>): ReturnType<typeof createFleet<M>>;
  readonly workerOptions: FleetWorkerOptions;
  redis(): Redis;
  store(): ReturnType<typeof createRedisRunStore>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function setupInProcess(reply: FakeRule, redisUrl: string = inject("redisUrl")): Promise<InProcess> {
  const provider = await startFakeProvider({ reply });
  const prefix = `t${randomUUID().slice(0, 8)}`;
  const log = recordingLog();
  const closing: Array<() => Promise<void>> = [];
  const redis = (): Redis => {
    const connection = connectRedis({ url: redisUrl, role: "worker", name: "test" });
    closing.push(async () => connection.disconnect());
    return connection;
  };
  return {
    provider,
    redisUrl,
    prefix,
    log,
    workerOptions: { log },
    fleet(agents, options = {}) {
      const env = { OPENAI_API_KEY: "test-key", OPENAI_BASE_URL: provider.url };
      const fleet = createFleet({ agents, redis: redisUrl, prefix, env, ...options });
      closing.unshift(() => fleet.close());
      return fleet;
    },
    redis,
    store() {
      const store = createRedisRunStore({ redis: redis(), clock: systemClock, prefix });
      closing.unshift(() => store.close());
      return store;
    },
    async [Symbol.asyncDispose]() {
      for (const close of closing) await close();
      await provider[Symbol.asyncDispose]();
    },
  };
}
