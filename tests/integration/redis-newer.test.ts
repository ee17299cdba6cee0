/** A fleet on Redis 8 and on Valkey 8: the promises of the store, and a load of runs. */
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { judge, openLoadedFleet } from "../support/redis-load.ts";
import { openServerRoom, programOf, type ServerRoom } from "../support/redis-servers.ts";
import { openRedisStore } from "../support/redis-store.ts";
import { runStoreSuite } from "../support/run-store-suite.ts";

const LEAST_MAJOR = 8;

describe.each([
  { name: "Redis 8", server: "redis-server" },
  { name: "Valkey 8", server: "valkey-server" },
])("on $name", { tags: ["newer-redis"] }, ({ name, server }) => {
  const program = programOf(server, LEAST_MAJOR);
  if (program === undefined) {
    test("the store keeps its promises, and a fleet's runs end as they should", (context) =>
      context.skip(`needs ${server} ${LEAST_MAJOR} or newer on PATH or in TEST_SERVERS (tools/newer-servers.sh)`));
    return;
  }
  let room: ServerRoom;
  let redis: Redis;
  let url: string;
  beforeAll(async () => {
    room = openServerRoom();
    url = `redis://127.0.0.1:${(await room.start(server, { program })).port}`;
    redis = connectRedis({ url, role: "worker", name: "newer-test" });
  });
  afterAll(async () => {
    redis.disconnect();
    await room[Symbol.asyncDispose]();
  });

  runStoreSuite(`run store on ${name}`, async (options) => openRedisStore(redis, options));

  test("a fleet's runs end as they should, and the server passes the checks", { tags: ["redis", "processes"] }, async () => {
    const loaded = await openLoadedFleet(url);
    await using bundle = loaded.bundle;
    expect(await judge(loaded.load(20), loaded.effects)).toEqual({ accepted: 20, ended: { completed: 20 }, lost: 0, doubled: 0 });
    expect(await checkRedis(bundle.redis())).toMatchObject({ evictionPolicy: "noeviction", notes: [] });
  });
});
