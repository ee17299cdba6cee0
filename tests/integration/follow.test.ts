/** Promise: whoever follows a run misses nothing and sees no text twice, across reconnects, a crash and lost live text. */
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { createRunProducer } from "../../src/producers/run-producer.ts";
import type { FollowedEvent, RunEvent } from "../../src/protocol/events.ts";
import { NO_USAGE } from "../../src/protocol/run.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { createRedisLiveText } from "../../src/redis/redis-live-text.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import { createMemoryWakeQueue } from "../../src/testing/memory-wake-queue.ts";
import { newPrefix } from "../support/redis-store.ts";

async function setup() {
  const prefix = newPrefix();
  const redis = connectRedis({ url: inject("redisUrl"), role: "producer" });
  const store = createRedisRunStore({ redis, clock: systemClock, prefix });
  const live = createRedisLiveText({ redis, prefix });
  const agents = new Map([["triage", { queue: "desk", version: "1" }]]);
  const producer = createRunProducer({ store, live, queue: createMemoryWakeQueue(), clock: systemClock, agents });
  onTestFinished(async () => {
    await store.close();
    redis.disconnect();
  });
  const run = await producer.submit("triage", "hello");
  const begin = async (token: string, wake: number): Promise<number> => {
    const reply = await store.begin({ runId: run.id, wake, token, workerId: token, leaseMs: 60_000, maxDeaths: 5 });
    if (reply.status !== "begun") throw new Error(`not begun: ${JSON.stringify(reply)}`);
    return reply.attempt.attempt;
  };
  const finishTurn = async (token: string, turn: number, attempt: number, text: string): Promise<void> => {
    const event: RunEvent = {
      type: "turn.completed",
      atMs: systemClock.nowMs(),
      hop: 0,
      agent: "triage",
      turn,
      attempt,
      model: "m",
      text,
      toolCalls: [],
      usage: NO_USAGE,
      durationMs: 1,
    };
    await store.record({ runId: run.id, token, hop: 0, key: `m:${turn}`, valueJson: "{}", usage: NO_USAGE, turns: 1, event });
  };
  return { store, live, run, begin, finishTurn };
}

/** Reads until `last` says so, then leaves, as a connection that breaks does. */
async function readUntil(events: AsyncIterable<FollowedEvent>, last: (event: FollowedEvent) => boolean): Promise<FollowedEvent[]> {
  const seen: FollowedEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (last(event)) break;
  }
  return seen;
}

const textOf = (events: readonly FollowedEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
const isText = (event: FollowedEvent): boolean => event.type === "text.delta";

describe("following a run on Redis", { tags: ["redis"] }, () => {
  test("continues in the middle of a turn without text twice", async () => {
    const { live, run, begin, finishTurn, store } = await setup();
    const attempt = await begin("a", 0);
    await live.append(run.id, 1, attempt, { offset: 0, text: "Hel" });
    const first = await readUntil(run.events(), isText);
    await live.append(run.id, 1, attempt, { offset: 3, text: "lo, " });
    const second = await readUntil(run.events({ after: first.at(-1)?.cursor }), isText);
    await finishTurn("a", 1, attempt, "Hello, world");
    await store.end({ runId: run.id, token: "a", outcome: { type: "completed", output: "x" }, retentionMs: 60_000 });
    const third = await readUntil(run.events({ after: second.at(-1)?.cursor }), () => false);
    expect([textOf(first), textOf(second), textOf(third)]).toEqual(["Hel", "lo, ", "world"]);
    expect(third.map(({ type }) => type)).toEqual(["text.delta", "turn.completed", "run.completed"]);
    expect(textOf(await readUntil(run.events(), () => false))).toBe("Hello, world");
  });

  test("is woken by text that comes while it waits, not by its slow poll", async () => {
    const { live, run, begin } = await setup();
    const attempt = await begin("a", 0);
    const startedAtMs = systemClock.nowMs();
    const reading = readUntil(run.events(), isText);
    await readUntil(run.events(), ({ type }) => type === "attempt.started");
    await live.append(run.id, 1, attempt, { offset: 0, text: "now" });
    expect(textOf(await reading)).toBe("now");
    expect(systemClock.nowMs() - startedAtMs).toBeLessThan(4_000);
  });

  test("says that a turn begins anew when another attempt takes over, also to one that was away", async () => {
    const { live, run, begin, finishTurn, store } = await setup();
    const dead = await begin("a", 0);
    await live.append(run.id, 1, dead, { offset: 0, text: "Guten" });
    const before = await readUntil(run.events(), isText);
    const ended = await store.end({ runId: run.id, token: "a", outcome: { type: "released" }, retentionMs: 60_000 });
    const wake = ended.status === "settled" ? (ended.next?.wake ?? 0) : 0;
    const attempt = await begin("b", wake);
    await finishTurn("b", 1, attempt, "Hello");
    await store.end({ runId: run.id, token: "b", outcome: { type: "completed", output: "x" }, retentionMs: 60_000 });
    const after = await readUntil(run.events({ after: before.at(-1)?.cursor }), () => false);
    const restartedAt = after.findIndex(({ type }) => type === "turn.restarted");
    expect(restartedAt).toBeGreaterThanOrEqual(0);
    expect(textOf(after.slice(restartedAt))).toBe("Hello");
    expect(await run.output()).toBe("x");
  });
});
