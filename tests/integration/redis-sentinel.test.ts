/** A fleet under Sentinel: a failover under load loses and doubles nothing, and workers go on by themselves. */
import { beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { addressOf } from "../../src/redis/connection.ts";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { gapAfter, judge, openLoadedFleet, step } from "../support/redis-load.ts";
import { missingPrograms, openServerRoom, redisCli, startSentinelSetup, type TestServer } from "../support/redis-servers.ts";

/** Long enough that a busy machine is not taken for a dead primary. */
const DOWN_AFTER_MS = 3_000;
/** A sentinel that was starved of CPU for two seconds, or whose clock jumped, does nothing for thirty: its TILT mode. The fleet must sit that out, too. */
const WITHIN_MS = 45_000;

beforeEach((context) => {
  const missing = missingPrograms("redis-server", "redis-cli");
  if (missing !== undefined) context.skip(missing);
});

async function setup() {
  const room = openServerRoom();
  const sentinel = await step("the start of the sentinels", startSentinelSetup(room, DOWN_AFTER_MS));
  const loaded = await step("the start of the fleet", openLoadedFleet(sentinel.url));
  return {
    ...loaded,
    ...sentinel,
    async [Symbol.asyncDispose]() {
      await step("the close of the fleet", loaded.bundle[Symbol.asyncDispose]());
      await step("the end of the servers", room[Symbol.asyncDispose]());
    },
  };
}

/** What goes wrong here may be the sentinels' doing: the error tells what they said. */
async function tellingOf(sentinels: readonly TestServer[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const words = sentinels.map(({ port, printed }) => `Sentinel ${port}:\n  ${printed.slice(-25).join("\n  ")}`);
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${words.join("\n")}`, { cause: error });
  }
}

describe.concurrent("a failover", { tags: ["sentinel", "redis", "processes", "slow"], timeout: 180_000 }, () => {
  test("I2 I3 I5 the primary is killed under load: no accepted run is lost or doubled, and the worker goes on", async () => {
    await using it = await setup();
    await tellingOf(it.sentinels, async () => {
      const { effects } = it;
      const redis = it.bundle.redis();
      expect(await step("the check", checkRedis(redis))).toMatchObject({ evictionPolicy: "noeviction" });
      expect(addressOf(redis)).toBe("main of 3 sentinels");
      const running = it.load(120);
      await it.effectsSeen(30);
      const killedAtMs = systemClock.nowMs();
      await step("the kill", it.primary.kill());
      const verdict = await judge(running, effects, WITHIN_MS);
      console.log(
        `Sentinel: ${gapAfter(effects, killedAtMs)} ms without an effect after the kill; ${running.refused()} submits refused, ${it.repeatedCalls(120)} model calls repeated`,
      );
      expect(verdict).toEqual({ accepted: 120, ended: { completed: 120 }, lost: 0, doubled: 0 });
      expect(await redisCli(it.replica.port, "role")).toMatch(/^master/);
    });
  });

  test("I3 a primary that freezes closes no connection: the sentinels' word moves the fleet to its replica", async () => {
    await using it = await setup();
    await tellingOf(it.sentinels, async () => {
      const { effects } = it;
      const running = it.load(80);
      await it.effectsSeen(20);
      const frozenAtMs = systemClock.nowMs();
      it.primary.signal("SIGSTOP");
      const verdict = await judge(running, effects, WITHIN_MS);
      console.log(
        `Sentinel: ${gapAfter(effects, frozenAtMs)} ms without an effect after the freeze; ${running.refused()} submits refused, ${it.repeatedCalls(80)} model calls repeated`,
      );
      expect(verdict).toEqual({ accepted: 80, ended: { completed: 80 }, lost: 0, doubled: 0 });
    });
  });
});
