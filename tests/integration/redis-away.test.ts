/** Redis goes away: what waits, what ends, what is said. On a server of the test's own that keeps an append-only file. */
import { beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { gapAfter, judge, openLoadedFleet } from "../support/redis-load.ts";
import { countCommands, freePort, missingPrograms, openServerRoom, redisCli, until } from "../support/redis-servers.ts";

beforeEach((context) => {
  const missing = missingPrograms("redis-server", "redis-cli");
  if (missing !== undefined) context.skip(missing);
});

async function setup(scheme = "redis") {
  const room = openServerRoom();
  const settings = { "cluster-enabled": "yes", "cluster-announce-ip": "127.0.0.1", "cluster-port": String(await freePort()) };
  const server = await room.start("away", { settings: { appendonly: "yes", ...(scheme === "redis" ? {} : settings) } });
  if (scheme !== "redis") {
    await redisCli(server.port, "cluster", "addslotsrange", "0", "16383");
    await until("the Cluster is whole", 10_000, async () => (await redisCli(server.port, "cluster", "info")).includes("cluster_state:ok"));
  }
  const loaded = await openLoadedFleet(`${scheme}://127.0.0.1:${server.port}`);
  return {
    ...loaded,
    server,
    async [Symbol.asyncDispose]() {
      await loaded.bundle[Symbol.asyncDispose]();
      await room[Symbol.asyncDispose]();
    },
  };
}

// Each on a server of its own, and most of each is waiting.
describe.concurrent("Redis is away", { tags: ["redis", "processes", "slow"] }, () => {
  const AWAY_MS = 10_000;

  test("I3 I5 Redis is killed and away for ten seconds in the middle of runs: all complete, and the log stays short", async () => {
    await using it = await setup();
    const { effects, bundle, server } = it;
    const running = it.load(100);
    await it.effectsSeen(25);
    const killedAtMs = systemClock.nowMs();
    const before = bundle.log.records.length;
    await server.kill();
    // The time itself is what is tested.
    await systemClock.sleep(AWAY_MS);
    await server.restart();
    const backAtMs = systemClock.nowMs();
    const verdict = await judge(running, effects);
    const troubles = bundle.log.records
      .slice(before)
      .flatMap(({ event = "", err, message }) =>
        event.endsWith(".errored") ? [`${event} ${String(err instanceof Error ? err.message : message)}`] : [],
      );
    console.log(
      `Away ${backAtMs - killedAtMs} ms: work again ${gapAfter(effects, killedAtMs) - (backAtMs - killedAtMs)} ms after Redis was back; ` +
        `${running.refused()} submits refused, ${it.repeatedCalls(100)} model calls repeated; log: ${troubles.join(", ")}`,
    );
    expect(verdict).toEqual({ accepted: 100, ended: { completed: 100 }, lost: 0, doubled: 0 });
    // Each part says each reason once, however long it lasts.
    expect(troubles.length).toBeLessThanOrEqual(8);
  });

  test("a worker with runs in hand closes within its deadlines although Redis is gone", async () => {
    await using it = await setup();
    const running = it.load(40);
    await it.effectsSeen(10);
    await it.server.kill();
    const startedAtMs = systemClock.nowMs();
    await it.worker.close({ graceMs: 1_000 });
    const workerMs = systemClock.nowMs() - startedAtMs;
    await it.fleet.close();
    const fleetMs = systemClock.nowMs() - startedAtMs;
    console.log(`Redis gone: the worker closed in ${workerMs} ms, the fleet in ${fleetMs} ms`);
    // The grace, 3 s for attempts to let go, 5 s for BullMQ's close, 5 s for the rest.
    expect(workerMs).toBeLessThan(14_500);
    expect(fleetMs).toBeLessThan(16_000);
    // Submitters go on until they are answered.
    await it.server.restart();
    void running.done.catch(() => undefined);
  });

  test("a worker that starts while Redis is down ends with BACKEND_UNREACHABLE, and a connection tells an outage once", async () => {
    await using it = await setup();
    await it.server.kill();
    const startedAtMs = systemClock.nowMs();
    await expect(it.fleet.worker(it.bundle.workerOptions)).rejects.toMatchObject({ code: "BACKEND_UNREACHABLE" });
    expect(systemClock.nowMs() - startedAtMs).toBeLessThan(5_000);
    const told: string[] = [];
    const redis = connectRedis({
      url: `redis+cluster://127.0.0.1:${await freePort()}`,
      role: "producer",
      onError: ({ code }) => told.push(code),
    });
    await expect(redis.get("x")).rejects.toThrow(/timed out/);
    redis.disconnect();
    expect(told).toEqual(["BACKEND_UNREACHABLE"]);
  });

  test("I3 a Cluster that is away as a whole takes no accepted run with it", async () => {
    await using it = await setup("redis+cluster");
    const running = it.load(60);
    await it.effectsSeen(15);
    await it.server.kill();
    await systemClock.sleep(3_000);
    await it.server.restart();
    const verdict = await judge(running, it.effects, 25_000);
    console.log(
      `Cluster away 3 s: ${running.refused()} submits refused, ${it.repeatedCalls(60)} model calls repeated; ${JSON.stringify(verdict)}`,
    );
    expect(verdict).toMatchObject({ accepted: 60, lost: 0, doubled: 0 });
  });

  const IDLE_MS = 12_000;

  test("an idle worker asks little of Redis", async () => {
    await using it = await setup();
    const counting = countCommands(it.server.port);
    await systemClock.sleep(IDLE_MS);
    const names = await counting.stop();
    const perMinute = Math.round(([...names.values()].reduce((sum, each) => sum + each, 0) * 60_000) / IDLE_MS);
    console.log(`Idle: ${perMinute} commands per minute; ${JSON.stringify(Object.fromEntries(names))}`);
    expect(Number(await redisCli(it.server.port, "dbsize"))).toBeGreaterThan(0);
    expect(perMinute).toBeGreaterThan(10);
    expect(perMinute).toBeLessThan(300);
  });
});
