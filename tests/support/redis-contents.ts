/** Everything that a Redis holds, as text: for tests that look for what must not be there. */
import type { Redis } from "ioredis";

/** By key name, the whole of its value, fields and members included. Throws for a type it does not know. */
export async function contentsOf(redis: Redis): Promise<ReadonlyMap<string, string>> {
  const contents = new Map<string, string>();
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "COUNT", 1_000);
    cursor = next;
    for (const key of keys) contents.set(key, await contentOf(redis, key));
  } while (cursor !== "0");
  return contents;
}

async function contentOf(redis: Redis, key: string): Promise<string> {
  const type = await redis.type(key);
  switch (type) {
    case "string":
      return (await redis.get(key)) ?? "";
    case "hash":
      return JSON.stringify(await redis.hgetall(key));
    case "list":
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case "set":
      return JSON.stringify(await redis.smembers(key));
    case "zset":
      return JSON.stringify(await redis.zrange(key, "0", "-1", "WITHSCORES"));
    case "stream":
      return JSON.stringify(await redis.xrange(key, "-", "+"));
    // Went away between the two commands.
    case "none":
      return "";
    default:
      throw new Error(`The key ${key} is of type ${type}, which this test cannot read.`);
  }
}

/** The keys whose name or value holds one of `words`: as it is, as JSON writes it, or within any base64. */
export async function keysHolding(redis: Redis, words: readonly string[]): Promise<string[]> {
  const forms = words.flatMap((word) => [word, JSON.stringify(word).slice(1, -1), ...base64Forms(word)]);
  const contents = await contentsOf(redis);
  return [...contents].filter(([key, value]) => forms.some((form) => key.includes(form) || value.includes(form))).map(([key]) => key);
}

/** What base64 of any text around it shows of a word: three alignments, without the letters that its neighbours share. */
const base64Forms = (word: string): string[] =>
  [0, 1, 2].flatMap((shift) => {
    const whole = Buffer.from(`${"x".repeat(shift)}${word}`)
      .toString("base64")
      .replace(/=+$/, "");
    const inner = whole.slice(shift === 0 ? 0 : shift + 1, -1);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
