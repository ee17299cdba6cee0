/** What live text costs Redis: CPU per delta, with one follower and with fifty. */
import { randomUUID } from "node:crypto";
import { systemClock } from "../../src/clock.ts";
import { createProducer } from "../../src/producer.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { createRedisLiveText } from "../../src/redis/redis-live-text.ts";
import { createRedisRunStore } from "../../src/redis/redis-run-store.ts";
import { round } from "./statistics.ts";

const DELTAS = 300;
const TEXT = "a piece of about forty characters here. ";

export async function measureLiveCpu(redisUrl: string, followers: number): Promise<number> {
  const prefix = `b${randomUUID().slice(0, 8)}`;
  const redis = connectRedis({ url: redisUrl, role: "producer", name: "bench-live" });
  const store = createRedisRunStore({ redis, clock: systemClock, prefix });
  const live = createRedisLiveText({ redis, prefix });
  const runId = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";
  const submission = {
    agent: "a",
    queue: "q",
    tenant: "t",
    priority: "normal",
    itemsJson: "[]",
    contextJson: "{}",
    metadataJson: "{}",
    settingsJson: "{}",
  } as const;
  await store.submit({ ...submission, runId, inputHash: "h", delayMs: 0, deadlineMs: 3_600_000, maxHops: 3 });
  await store.begin({ runId, wake: 0, token: "bench", workerId: "bench", leaseMs: 600_000, maxDeaths: 1 });
  await using producer = createProducer({ redis: redisUrl, prefix });
  const stop = new AbortController();
  const total = DELTAS * TEXT.length;
  const following = Array.from({ length: followers }, async () => {
    let seen = 0;
    for await (const event of producer.run(runId).events({ signal: stop.signal })) {
      if (event.type === "text.delta") seen += event.text.length;
      if (seen >= total) return;
    }
  });
  const cpuUs = async (): Promise<number> => {
    const text = await redis.info("cpu");
    const read = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(text)?.[1]);
    return (read("used_cpu_user") + read("used_cpu_sys")) * 1e6;
  };
  const before = await cpuUs();
  for (let index = 0; index < DELTAS; index += 1) {
    await live.append(runId, 1, 1, { offset: index * TEXT.length, text: TEXT });
    // The pace of a stream: a follower reads between two deltas.
    await systemClock.sleep(5);
  }
  await Promise.all(following);
  const perDelta = ((await cpuUs()) - before) / DELTAS;
  stop.abort();
  await store.close();
  redis.disconnect();
  return round(perDelta);
}
