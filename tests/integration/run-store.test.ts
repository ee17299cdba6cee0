/** The run store on the server of this run, and on the JavaScript server: every script must work on both. */
import type { Redis } from "ioredis";
import { createRedisMock } from "js-redis-server";
import { afterAll, beforeAll, inject } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { openRedisStore } from "../support/redis-store.ts";
import { runStoreSuite } from "../support/run-store-suite.ts";

const mock = await createRedisMock();
const connections: Redis[] = [];
afterAll(async () => {
  for (const redis of connections) redis.disconnect();
  await mock.close();
});

for (const [name, url] of [
  ["redis run store", inject("redisUrl")],
  ["redis run store on the JavaScript server", `redis://${mock.host}:${mock.port}`],
] as const) {
  let redis: Redis;
  beforeAll(() => {
    redis = connectRedis({ url, role: "worker", name: "run-store-test" });
    connections.push(redis);
  });
  runStoreSuite(name, async (options) => openRedisStore(redis, options));
}
