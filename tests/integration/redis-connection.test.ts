/** How a connection behaves when Redis is away. */
import { expect, inject, onTestFinished, test } from "vitest";
import { connectRedis, redisOptions } from "../../src/redis/connection.ts";
import type { FleetError } from "../../src/protocol/errors.ts";
import { openRedisStore } from "../support/redis-store.ts";
import { submission } from "../support/run-store-fixture.ts";

test("I3 a producer's submit fails within seconds when Redis is away, and the outage is told once", async () => {
  const told: FleetError[] = [];
  const redis = connectRedis({ url: "redis://:secret@127.0.0.1:1", role: "producer", onError: (error) => told.push(error) });
  onTestFinished(() => redis.disconnect());
  await expect(openRedisStore(redis).store.submit(submission())).rejects.toMatchObject({ code: "BACKEND_UNREACHABLE" });
  expect(told).toHaveLength(1);
  expect(told[0]?.describe()).not.toContain("secret");
});

test("I9 every role reads and writes through the same factory, on a socket or a port", async () => {
  for (const role of ["producer", "worker", "subscriber"] as const) {
    const redis = connectRedis({ url: inject("redisUrl"), role, name: "connection-test" });
    expect(await redis.ping()).toBe("PONG");
    redis.disconnect();
  }
});

test("a socket is found in each of its spellings, and anything else is refused", () => {
  for (const url of ["redis+unix:///tmp/r.sock?db=2", "unix:/tmp/r.sock?db=2", "unix:///tmp/r.sock?db=2", "/tmp/r.sock?db=2"]) {
    expect(redisOptions({ url, role: "worker" })).toMatchObject({ path: "/tmp/r.sock", db: 2, maxRetriesPerRequest: null });
  }
  expect(() => redisOptions({ url: "localhost", role: "worker" })).toThrow(/Expected a Redis URL/);
});
