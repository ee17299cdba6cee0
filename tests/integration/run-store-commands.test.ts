/** What a run costs in commands: the promise of the design, counted. */
import { expect, inject, onTestFinished, test, vi } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { needs } from "../support/redis.ts";
import { openRedisStore } from "../support/redis-store.ts";
import { begin, completed, end, fact, intent, LEASE_MS, running, submission } from "../support/run-store-fixture.ts";

test("I10 submit, begin, record, intent and end are one command each; a long transcript is one more", async () => {
  const redis = connectRedis({ url: inject("redisUrl"), role: "worker", name: "commands-test" });
  const { store, close } = openRedisStore(redis);
  onTestFinished(async () => {
    await close();
    redis.disconnect();
  });
  // The first of each loads its script. INFO is sent at most once a second, whatever the load, and not counted.
  const warm = await running(store);
  await store.openIntent(warm, "a", intent("c0"));
  await store.record(fact(warm));
  await end(store, warm, "a", completed);

  const spy = vi.spyOn(redis, "sendCommand");
  const commandsOf = async (step: () => Promise<unknown>): Promise<string[]> => {
    spy.mockClear();
    await step();
    return spy.mock.calls.map(([command]) => command.name).filter((name) => name !== "info");
  };
  const { runId } = submission();
  expect(await commandsOf(() => store.submit(submission({ runId })))).toEqual(["evalsha"]);
  expect(await commandsOf(() => begin(store, runId, "a"))).toEqual(["evalsha"]);
  expect(await commandsOf(() => store.record(fact(runId)))).toEqual(["evalsha"]);
  expect(await commandsOf(() => store.openIntent(runId, "a", intent("c1")))).toEqual(["evalsha"]);
  expect(await commandsOf(() => end(store, runId, "a", completed))).toEqual(["evalsha"]);
  const long = submission({ itemsJson: JSON.stringify(["x".repeat(20_000)]) });
  await store.submit(long);
  expect(await commandsOf(() => begin(store, long.runId, "a"))).toEqual(["evalsha", "lrange"]);
  spy.mockRestore();
});

test("I3 a server that forgot the scripts gets their text", { tags: ["real-redis"] }, async (context) => {
  // The JavaScript server never forgets a script.
  needs(context, "real-redis");
  const redis = connectRedis({ url: inject("redisUrl"), role: "worker", name: "commands-test" });
  const { store, close, advance } = openRedisStore(redis);
  onTestFinished(async () => {
    await close();
    redis.disconnect();
  });
  await redis.script("FLUSH");
  const runId = await running(store);
  await redis.script("FLUSH");
  expect(await store.submitMany([submission(), submission()])).toMatchObject([{ status: "created" }, { status: "created" }]);
  await advance(2 * LEASE_MS);
  expect(await begin(store, runId, "b")).toMatchObject({ attempt: 2 });
});

test("I3 a page of due runs is sorted out in one command: who only waits is offered again and looked at later, the others are left", async () => {
  const redis = connectRedis({ url: inject("redisUrl"), role: "worker", name: "commands-test" });
  const { store, advance, close } = openRedisStore(redis);
  onTestFinished(async () => {
    await close();
    redis.disconnect();
  });
  const queued = submission();
  await store.submit(queued);
  const held = await running(store);
  await advance(2 * LEASE_MS);
  const { runIds } = await store.due(10);
  expect([...runIds].sort()).toEqual([queued.runId, held].sort());
  const sorted = await store.glance?.(runIds);
  expect(sorted).toEqual({
    rest: [held],
    waiting: [{ runId: queued.runId, wake: 0, agent: queued.agent, queue: queued.queue, priority: queued.priority, continuation: false }],
  });
  expect((await store.due(10)).runIds).toEqual([held]);
});
