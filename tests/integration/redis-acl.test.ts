/** The ACL rule of docs/how-to/redis.md: under it a whole fleet works, and nothing is denied. */
import { readFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { createProducer } from "../../src/producer.ts";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { judge, openLoadedFleet } from "../support/redis-load.ts";
import { freePort, missingPrograms, openServerRoom, redisCli, until } from "../support/redis-servers.ts";

const tags = ["acl", "redis", "processes"];
const PAGE = new URL("../../docs/how-to/redis.md", import.meta.url);

/** A Cluster of one never learns its own address from others. */
const ANNOUNCED = { "cluster-announce-ip": "127.0.0.1" };

beforeEach((context) => {
  const missing = missingPrograms("redis-server", "redis-cli");
  if (missing !== undefined) context.skip(missing);
});

/** The one rule of the page; `prefix` and password are the test's. */
function documentedRule(prefix: string): readonly string[] {
  const [rule, ...others] = [...readFileSync(PAGE, "utf8").matchAll(/^```\nuser flotilla (on [\s\S]*?)^```$/gm)].map(
    ([, text = ""]) => text,
  );
  if (rule === undefined || others.length > 0) throw new Error("The page has not one rule.");
  return rule.trim().replaceAll("{flotilla:", `{${prefix}:`).replace("<password>", "secret").split(/\s+/);
}

async function setup(scheme: string, settings: Readonly<Record<string, string>> = {}) {
  const room = openServerRoom();
  const { port } = await room.start("acl", { settings });
  // Every prefix that a test of this project makes begins so.
  await redisCli(port, "acl", "setuser", "flotilla", ...documentedRule("t*"));
  return {
    port,
    url: `${scheme}://flotilla:secret@127.0.0.1:${port}`,
    denied: () => redisCli(port, "acl", "log"),
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  };
}

test("I11 a fleet, its producer and its upkeep work under the documented rule, and ACL LOG stays empty", { tags }, async () => {
  await using it = await setup("redis");
  const loaded = await openLoadedFleet(it.url);
  await using bundle = loaded.bundle;
  expect(await judge(loaded.load(20), loaded.effects)).toEqual({ accepted: 20, ended: { completed: 20 }, lost: 0, doubled: 0 });

  const redis = bundle.redis();
  expect(await checkRedis(redis)).toMatchObject({ evictionPolicy: "noeviction", notes: [] });
  await using producer = createProducer({ redis: it.url, prefix: bundle.prefix });
  for await (const _ of producer.run((await producer.list({ limit: 1 }))[0]?.runId ?? "").events()) void _;
  await producer.store.workers();
  const store = bundle.store();
  await store.sweep(10);
  await store.due(10);
  await (await store.watchStops(() => undefined))();
  await loaded.fleet.close();

  expect(await it.denied()).toBe("");
  // The rule is as narrow as it says.
  await expect(redis.get("somebody-elses-key")).rejects.toThrow(/NOPERM/);
  await expect(redis.publish("somebody-elses-channel", "x")).rejects.toThrow(/NOPERM/);
  await expect(redis.flushall()).rejects.toThrow(/NOPERM/);
  await expect(redis.config("SET", "maxmemory", "1")).rejects.toThrow(/NOPERM/);
  await expect(redis.keys("*")).rejects.toThrow(/NOPERM/);
  expect(await it.denied()).toContain("flushall");
});

test("the same rule does on a Cluster", { tags: [...tags, "cluster"] }, async () => {
  await using it = await setup("redis+cluster", { "cluster-enabled": "yes", "cluster-port": String(await freePort()), ...ANNOUNCED });
  await redisCli(it.port, "cluster", "addslotsrange", "0", "16383");
  await until("the Cluster is whole", 10_000, async () => (await redisCli(it.port, "cluster", "info")).includes("cluster_state:ok"));
  const loaded = await openLoadedFleet(it.url);
  await using _ = loaded.bundle;
  expect(await judge(loaded.load(20), loaded.effects)).toEqual({ accepted: 20, ended: { completed: 20 }, lost: 0, doubled: 0 });
  expect(await it.denied()).toBe("");
});
