/** Promise: what a producer was told is in Redis is there, offered to BullMQ once, in the right order, and never with the prompt (I1, I3, I9). */
import { Queue } from "bullmq";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { createProducer, type RunRequest } from "../../src/producer.ts";
import { PROTOCOL_MINOR } from "../../src/protocol/job.ts";
import { LIMITS } from "../../src/protocol/limits.ts";
import { createBullWakeQueue } from "../../src/producers/bull-wake-queue.ts";
import { createRunProducer } from "../../src/producers/run-producer.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { bullPrefix, bullQueueName } from "../../src/redis/keys.ts";
import { createRedisLiveText } from "../../src/redis/redis-live-text.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import { needs } from "../support/redis.ts";
import { newPrefix } from "../support/redis-store.ts";

const AGENTS = new Map([["triage", { queue: "desk", version: "1" }]]);

function setup() {
  const prefix = newPrefix();
  const redis = connectRedis({ url: inject("redisUrl"), role: "producer" });
  const store = createRedisRunStore({ redis, clock: systemClock, prefix });
  const queue = createBullWakeQueue({ redis, prefix });
  const producer = createRunProducer({ store, queue, live: createRedisLiveText({ redis, prefix }), clock: systemClock, agents: AGENTS });
  const bull = new Queue(bullQueueName("desk"), { connection: redis, prefix: bullPrefix(prefix, 0) });
  onTestFinished(async () => {
    await bull.close();
    await queue.close();
    await store.close();
    redis.disconnect();
  });
  return { prefix, redis, store, queue, producer, bull };
}

describe("a producer on Redis", { tags: ["redis"] }, () => {
  test("offers a run as one job that holds its id and nothing of its input", async () => {
    const { producer, bull, queue } = setup();
    const run = await producer.submit("triage", "a secret");
    await queue.add([{ runId: run.id, wake: 0, agent: "triage", queue: "desk", priority: "normal", continuation: false }]);
    const jobs = await bull.getJobs(["waiting"]);
    expect(jobs.map(({ id, name, data }) => ({ id, name, data }))).toEqual([
      { id: `${run.id}-0`, name: "triage", data: { v: 1, minor: PROTOCOL_MINOR, runId: run.id, wake: 0 } },
    ]);
    expect(jobs[0]?.opts).toMatchObject({ removeOnComplete: true, removeOnFail: true, attempts: 3 });
  });

  test("puts continuations ahead, then runs as they came, then low ones", async () => {
    const { queue, bull } = setup();
    const wake = (runId: string, more = {}) => ({
      runId,
      wake: 0,
      agent: "triage",
      queue: "desk",
      priority: "normal" as const,
      continuation: false,
      ...more,
    });
    const ids = ["0", "1", "2", "3"].map((digit) => `r0-01jd3xk2v7w8y9z0a1b2c3d4e${digit}`);
    const [low = "", first = "", second = "", next = ""] = ids;
    await queue.add([wake(low, { priority: "low" })]);
    await queue.add([wake(first)]);
    await queue.add([wake(second)]);
    await queue.add([wake(next, { continuation: true })]);
    const waiting = await bull.getJobs(["waiting"], 0, -1, true);
    const prioritized = await bull.getJobs(["prioritized"], 0, -1, true);
    expect([...waiting, ...prioritized].map(({ data }) => data.runId)).toEqual([next, first, second, low]);
  });

  test("finds the same run for a key that is used again, and refuses the key for another input", async () => {
    const { producer } = setup();
    const run = await producer.submit("triage", "hello", { idempotencyKey: "k" });
    expect((await producer.submit("triage", "hello", { idempotencyKey: "k" })).id).toBe(run.id);
    await expect(producer.submit("triage", "bye", { idempotencyKey: "k" })).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  });

  test("tells a service without the fleet's code that nobody has announced an agent", async () => {
    const { prefix } = setup();
    await using producer = createProducer({ redis: inject("redisUrl"), prefix });
    await expect(producer.submit("triage", "x")).rejects.toMatchObject({ code: "NO_WORKERS" });
  });

  test("takes 10,000 runs, each once, and reads at most one chunk ahead", { tags: ["slow", "real-redis"] }, async (context) => {
    // The JavaScript server copies a list on every change: ten thousand waiting jobs are beyond it.
    needs(context, "real-redis");
    const { producer, bull } = setup();
    const ids = new Set<string>();
    let ahead = 0;
    function* requests(): Generator<RunRequest> {
      for (let index = 0; index < 10_000; index++) {
        ahead = Math.max(ahead, index + 1 - ids.size);
        yield { agent: "triage", input: `${index} ${"x".repeat(2_000)}` };
      }
    }
    for await (const answer of producer.submitMany(requests())) if ("run" in answer) ids.add(answer.run.id);
    expect(ids.size).toBe(10_000);
    expect(await bull.getWaitingCount()).toBe(10_000);
    expect(ahead).toBeLessThanOrEqual(LIMITS.submitChunk);
  });
});
