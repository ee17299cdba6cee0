/** How a connection behaves when Redis is away. */
import type { Socket } from "node:net";
import { expect, inject, onTestFinished, test, vi } from "vitest";
import { connectRedis, redisOptions } from "../../src/redis/connection.ts";
import type { FleetError } from "../../src/protocol/errors.ts";
import { newPrefix, openRedisStore } from "../support/redis-store.ts";
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

test("I9 what is sent before the loop goes on leaves in one write, also where the connection ends at once", async () => {
  const redis = connectRedis({ url: inject("redisUrl"), role: "producer", name: "connection-test" });
  await redis.ping();
  const key = `${newPrefix()}:corked`;
  const { stream } = redis;
  const [one, many] = [vi.spyOn(stream, "_write"), vi.spyOn(stream as Required<Socket>, "_writev")];
  await Promise.all(Array.from({ length: 20 }, () => redis.incr(key)));
  expect([one.mock.calls.length, many.mock.calls.length]).toEqual([0, 1]);
  const last = redis.incr(key);
  redis.disconnect();
  await last.catch(() => undefined);
  const other = connectRedis({ url: inject("redisUrl"), role: "producer", name: "connection-test" });
  onTestFinished(() => other.disconnect());
  expect(await other.getdel(key)).toBe("21");
});

test("a socket is found in each of its spellings, and anything else is refused", () => {
  for (const url of ["redis+unix:///tmp/r.sock?db=2", "unix:/tmp/r.sock?db=2", "unix:///tmp/r.sock?db=2", "/tmp/r.sock?db=2"]) {
    expect(redisOptions({ url, role: "worker" })).toMatchObject({ path: "/tmp/r.sock", db: 2, maxRetriesPerRequest: null });
  }
  expect(() => redisOptions({ url: "localhost", role: "worker" })).toThrow(/Expected a Redis URL/);
});
