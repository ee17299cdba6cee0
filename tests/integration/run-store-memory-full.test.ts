/** At the end of Redis's memory new runs are refused and running ones still end. */
import type { Redis } from "ioredis";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { provisionRedis } from "../../src/redis/provision.ts";
import { needs } from "../support/redis.ts";
import { openRedisStore } from "../support/redis-store.ts";
import {
  awaitingApproval,
  begin,
  completed,
  DAY_MS,
  decision,
  effectUnknown,
  end,
  fact,
  handedOff,
  intent,
  LEASE_MS,
  policy,
  running,
  submission,
  suspended,
} from "../support/run-store-fixture.ts";
import type { StoreUnderTest } from "../support/run-store-fixture.ts";

beforeEach((context) => needs(context, "real-redis"));

interface Setup extends StoreUnderTest {
  readonly redis: Redis;
  /** From here on Redis refuses every command that may need memory. */
  fill(): Promise<void>;
}

/** A server of its own: the setting holds for all of its clients. */
async function setup(): Promise<Setup> {
  const server = await provisionRedis({ env: { PATH: process.env["PATH"] }, allowJavaScript: false, log: () => undefined });
  const redis = connectRedis({ url: server.url, role: "worker", name: "memory-full-test" });
  const opened = openRedisStore(redis);
  onTestFinished(async () => {
    await opened.close();
    redis.disconnect();
    await server[Symbol.asyncDispose]();
  });
  const fill = async (): Promise<void> => {
    await redis.config("SET", "maxmemory", "1");
  };
  // Moving time writes, too.
  const advance = async (ms: number): Promise<void> => {
    await redis.config("SET", "maxmemory", "0");
    await opened.advance(ms);
    await fill();
  };
  return { ...opened, advance, redis, fill };
}

test("I9 a submit is refused while Redis has no memory, whether the check or the script notices", async () => {
  const { store, redis, fill } = await setup();
  await running(store);
  await fill();
  const refused = { name: "FleetError", code: "REDIS_MEMORY_FULL" };
  await expect(store.submit(submission())).rejects.toMatchObject(refused);
  await expect(store.submitMany([submission(), submission()])).rejects.toMatchObject(refused);
  await expect(openRedisStore(redis).store.submit(submission())).rejects.toMatchObject({ ...refused, message: /85 %/ });
});

test("I9 above 85 % of maxmemory a submit is refused although Redis would take it", async () => {
  const { store, redis } = await setup();
  const used = Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
  await redis.config("SET", "maxmemory", String(Math.floor(used * 1.1)));
  await expect(store.submit(submission())).rejects.toMatchObject({ code: "REDIS_MEMORY_FULL" });
  await redis.config("SET", "maxmemory", String(used * 10));
  await expect(openRedisStore(redis).store.submit(submission())).resolves.toMatchObject({ status: "created" });
});

test("I8 an attempt records and ends its run while Redis has no memory, and starts no new effect", async () => {
  const { store, fill } = await setup();
  const [finishing, leaving] = [await running(store), await running(store)];
  await fill();
  expect(await store.renew([{ runId: finishing, token: "a" }], LEASE_MS)).toEqual({ lost: [], stopped: [] });
  expect(await store.record(fact(finishing))).toMatchObject({ status: "recorded", current: true });
  await expect(store.openIntent(finishing, "a", intent("c1"))).rejects.toMatchObject({ code: "REDIS_MEMORY_FULL" });
  expect(await end(store, finishing, "a", completed)).toMatchObject({ as: "completed" });
  expect(await end(store, leaving, "a", handedOff({ itemsJson: "[2]" }))).toMatchObject({ as: "queued", next: { wake: 1 } });
  expect(await begin(store, leaving, "b", 1)).toMatchObject({ hop: 1 });
});

test("I8 people and the reconciler settle runs while Redis has no memory", async () => {
  const { store, advance, fill } = await setup();
  const asked = await suspended(store, awaitingApproval("c1"));
  const unknown = await suspended(store, effectUnknown, [intent("c1")]);
  const [held, dead] = [await running(store), await running(store)];
  await fill();
  expect(await store.decide(asked, "c1", decision("d1"))).toMatchObject({ status: "resolved", next: { wake: 1 } });
  expect(await store.resolve(unknown, "c1", { type: "ran", resultJson: "1" }, DAY_MS)).toMatchObject({ next: { wake: 1 } });
  expect(await store.cancel(held, DAY_MS)).toEqual({ status: "requested" });
  expect(await end(store, held, "a", completed)).toMatchObject({ as: "cancelled" });
  await advance(LEASE_MS + 2_000);
  expect(await store.look(dead, policy)).toMatchObject({ wake: 1 });
  await advance(2 * DAY_MS);
  expect(await store.sweep(10)).toBe(1);
});
