/** I12: a client whose reply was lost sends its script again, and hears what it would have heard. Here every first reply is lost. */
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import type { Outcome } from "../../src/protocol/attempt.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { openRedisStore } from "../support/redis-store.ts";
import {
  awaitingApproval,
  begin,
  completed,
  DAY_MS,
  effectUnknown,
  end,
  intent,
  newRunId,
  running,
  submission,
  suspended,
} from "../support/run-store-fixture.ts";

let redis: Redis;
beforeAll(() => {
  redis = connectRedis({ url: inject("redisUrl"), role: "worker", name: "run-store-resent" });
});
afterAll(() => redis.disconnect());

const withoutFirstReplies = (real: Redis): Redis =>
  new Proxy(real, {
    get(target, name) {
      // Reflect types what it finds as any.
      const found: unknown = Reflect.get(target, name);
      if (name !== "evalsha") return typeof found === "function" ? found.bind(target) : found;
      return async (...args: Parameters<Redis["evalsha"]>) => {
        await target.evalsha(...args);
        return target.evalsha(...args);
      };
    },
  });

function setup() {
  const opened = openRedisStore(withoutFirstReplies(redis));
  onTestFinished(() => opened.close());
  return opened.store;
}

const loops: Outcome = { type: "suspended", suspension: "loop", loop: { id: "loop:0:m:0:2", kind: "calls", cycle: ["find"], rounds: 2 } };

test("a cancel is told that it cancelled, and whose turn in the conversation has come", { tags: ["redis"] }, async () => {
  const store = setup();
  const queued = submission();
  await store.submit(queued);
  expect(await store.cancel(queued.runId, DAY_MS)).toEqual({ status: "cancelled" });
  expect(await store.cancel(queued.runId, DAY_MS)).toEqual({ status: "already-final", as: "cancelled" });
  expect(await store.cancel(newRunId(), DAY_MS)).toEqual({ status: "unknown" });
  const [first, second] = [submission({ conversation: "c" }), submission({ conversation: "c" })];
  for (const each of [first, second]) await store.submit(each);
  expect(await store.cancel(first.runId, DAY_MS)).toEqual({ status: "cancelled", follower: second.runId });
});

test("a person's word on an effect, a loop and a diverged replay is taken once, and not refused", { tags: ["redis"] }, async () => {
  const store = setup();
  const lost = await suspended(store, effectUnknown, [intent("c1"), intent("c2")]);
  expect(await store.resolve(lost, "c1", { type: "ran", resultJson: "1" }, DAY_MS)).toEqual({ status: "resolved", next: undefined });
  expect(await store.resolve(lost, "c2", { type: "not-run" }, DAY_MS)).toMatchObject({ status: "resolved", next: { wake: 1 } });
  expect(await store.resolve(lost, "c2", { type: "not-run" }, DAY_MS)).toMatchObject({ status: "not-open" });
  const loop = await suspended(store, loops);
  expect(await store.resolve(loop, undefined, { type: "continue" }, DAY_MS)).toMatchObject({ status: "resolved", next: { wake: 1 } });
  const diverged = await suspended(store, { type: "suspended", suspension: "replay-diverged" });
  expect(await store.resolve(diverged, undefined, { type: "resample" }, DAY_MS)).toMatchObject({ next: { wake: 1 } });
  const ended = await suspended(store, loops);
  expect(await store.resolve(ended, undefined, { type: "fail" }, DAY_MS)).toEqual({ status: "resolved", next: undefined });
  for (const runId of [lost, loop, diverged]) {
    const events = (await store.events(runId, "0-0", 100)).map(({ event }) => event.type);
    expect(events.filter((type) => type === "run.resumed")).toHaveLength(1);
    await begin(store, runId, "b", 1);
  }
});

test("a pause and a resume are told what they did", { tags: ["redis"] }, async () => {
  const store = setup();
  const queued = submission();
  await store.submit(queued);
  expect(await store.pause(queued.runId, { by: "ann" })).toEqual({ status: "paused" });
  expect(await store.pause(queued.runId, { by: "bob" })).toMatchObject({ status: "already-paused", pause: { by: "ann" } });
  expect(await store.resume(queued.runId)).toMatchObject({ status: "resumed", next: { wake: 1 } });
  expect(await store.resume(queued.runId)).toEqual({ status: "not-paused", as: "queued" });
  const held = await running(store);
  expect(await store.pause(held, { by: "ann" })).toEqual({ status: "requested" });
  const waiting = await suspended(store, awaitingApproval("c1"));
  expect(await store.pause(waiting, { by: "ann" })).toEqual({ status: "paused" });
  expect(await store.resume(waiting)).toEqual({ status: "resumed", next: undefined });
  expect(await end(store, held, "a", completed)).toMatchObject({ status: "settled", as: "completed" });
});
