/** What live text costs Redis: CPU per delta, with one follower and with fifty. */
import { systemClock } from "../../src/clock.ts";
import { createProducer } from "../../src/producer.ts";
import { createRedisLiveText } from "../../src/redis/redis-live-text.ts";
import { openHeldRun } from "./rig.ts";
import { round } from "./statistics.ts";

const DELTAS = 300;
const TEXT = "a piece of about forty characters here. ";

export async function measureLiveCpu(redisUrl: string, followers: number): Promise<number> {
  const { prefix, redis, runId, close } = await openHeldRun(redisUrl);
  const live = createRedisLiveText({ redis, prefix });
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
  await close();
  return round(perDelta);
}
