/** The Redis and the producer that a command works with. */
import type { Redis } from "ioredis";
import { createProducer, type Producer } from "../producer.ts";
import { connectRedis } from "../redis/connection.ts";
import { provisionRedis } from "../redis/provision.ts";
import { checkRedis } from "../redis/start-up-checks.ts";
import type { CliContext } from "./context.ts";

/** Runs `work` with a producer on REDIS_URL, or on the folder's private Redis, and closes both. */
export async function withProducer<T>(context: CliContext, work: (producer: Producer) => Promise<T>): Promise<T> {
  const { prefix, codec } = context.settings();
  await using redis = await provisionRedis({
    env: context.env,
    allowJavaScript: false,
    dir: context.cwd,
    log: context.io.say,
    clock: context.clock,
  });
  return await withRedis(redis.url, async (connection) => {
    await using producer = createProducer({
      redis: connection,
      prefix,
      clock: context.clock,
      ...(codec === undefined ? {} : { codec }),
    });
    return await work(producer);
  });
}

/**
 * Runs `work` with a connection that has answered once: a person who waits is told the first failure and its place, where the client
 * would only say, after its retries, how many they were. Eviction is the workers' concern: without one nothing new is stored.
 */
export async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = connectRedis({ url, role: "producer", name: "flotilla-cli" });
  try {
    await checkRedis(redis, { allowEviction: true });
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
