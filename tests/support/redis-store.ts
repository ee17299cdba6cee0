/** A Redis run store for a test: a prefix of its own, and time that passes by moving what is stored into the past. */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { systemClock } from "../../src/clock.ts";
import { keysFor } from "../../src/redis/keys.ts";
import { createRedisLiveText } from "../../src/redis/redis-live-text.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import type { StoreOptions, StoreUnderTest } from "./run-store-fixture.ts";

export const newPrefix = (): string => `t${randomUUID().slice(0, 8)}`;

export function openRedisStore(redis: Redis, options: StoreOptions = {}, prefix = newPrefix()): StoreUnderTest {
  const store = createRedisRunStore({ ...options, redis, clock: systemClock, prefix });
  return {
    store,
    live: createRedisLiveText({ redis, prefix }),
    async nowMs() {
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    },
    advance: (ms) => age(redis, prefix, ms),
    close: () => store.close(),
  };
}

/** Scripts read the server's clock, which no test can move: so every stored time is made older instead. */
async function age(redis: Redis, prefix: string, ms: number): Promise<void> {
  const keys = keysFor(prefix);
  for (const key of [keys.dispatch(), keys.timers(), keys.retention()]) {
    for (const member of await redis.zrange(key, "0", "-1")) await redis.zincrby(key, -ms, member);
  }
  // The client types the pages of keys as any.
  const pages: AsyncIterable<string[]> = redis.scanStream({ match: `${keys.conversations("").slice(0, -2)}*`, count: 10_000 });
  for await (const page of pages) {
    for (const key of page) {
      if (key.startsWith(keys.conversations("")))
        for (const member of await redis.zrange(key, "0", "-1")) await redis.zincrby(key, -ms, member);
      await redis.pexpire(key, Math.max(0, (await redis.pttl(key)) - ms));
    }
  }
  for (const member of await redis.zrangebylex(keys.index(), "[*/*/", "[*/*/~")) {
    const run = keys.run(member.slice(4));
    for (const field of ["deadlineAtMs", "notBeforeMs", "announceAtMs"])
      if (await redis.hexists(run, field)) await redis.hincrby(run, field, -ms);
    const questions = keys.approvals(member.slice(4));
    for (const [callId, json] of Object.entries(await redis.hgetall(questions))) await redis.hset(questions, callId, olderTimes(json, ms));
  }
}

const olderTimes = (json: string, ms: number): string =>
  json.replace(/"(requestedAtMs|deadlineAtMs)":(\d+)/g, (_, name, atMs) => `"${name}":${Number(atMs) - ms}`);
