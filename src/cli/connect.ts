/** The Redis and the producer that a command works with. */
import { createProducer, type Producer } from "../producer.ts";
import { provisionRedis } from "../redis/provision.ts";
import type { CliContext } from "./context.ts";

/** Runs `work` with a producer on REDIS_URL, or on the folder's private Redis, and closes both. */
export async function withProducer<T>(context: CliContext, work: (producer: Producer) => Promise<T>): Promise<T> {
  const { prefix } = context.settings();
  await using redis = await provisionRedis({
    env: context.env,
    allowJavaScript: false,
    dir: context.cwd,
    log: context.io.say,
    clock: context.clock,
  });
  await using producer = createProducer({ redis: redis.url, prefix, clock: context.clock });
  return await work(producer);
}
