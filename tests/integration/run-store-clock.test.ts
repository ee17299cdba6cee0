/** A worker whose clock is wrong: its waits are as long as it meant them. */
import { expect, inject, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import { newPrefix } from "../support/redis-store.ts";
import { begin, beginOf, end, running } from "../support/run-store-fixture.ts";

const error = { code: "MODEL_UNAVAILABLE", message: "away" };
const MINUTE_MS = 60_000;

test.each([-10, 10])("a retry and a lane in one minute come in one minute, from a clock that is %i minutes off", async (minutes) => {
  const redis = connectRedis({ url: inject("redisUrl"), role: "worker", name: "clock-test" });
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + minutes * MINUTE_MS };
  const store = createRedisRunStore({ redis, clock, prefix: newPrefix() });
  onTestFinished(async () => {
    await store.close();
    redis.disconnect();
  });
  const expectInAMinute = async (runId: string): Promise<void> => {
    const waitMs = ((await store.get(runId))?.notBeforeMs ?? 0) - systemClock.nowMs();
    expect(waitMs).toBeGreaterThan(MINUTE_MS - 10_000);
    expect(waitMs).toBeLessThan(MINUTE_MS + 10_000);
  };
  const retried = await running(store);
  await end(store, retried, "a", { type: "retry", notBeforeMs: clock.nowMs() + MINUTE_MS, error });
  await expectInAMinute(retried);
  expect(await store.begin(beginOf(retried, "b", 1))).toEqual({ status: "stale", why: "not-before" });
  const limited = await running(store);
  await end(store, limited, "a", { type: "suspended", suspension: "lane", untilMs: clock.nowMs() + MINUTE_MS, error });
  await expectInAMinute(limited);
  const again = await running(store);
  await end(store, again, "a", { type: "retry", notBeforeMs: clock.nowMs(), error });
  expect(await begin(store, again, "b", 1)).toMatchObject({ retries: 1 });
});
