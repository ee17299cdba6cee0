import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { bullPrefix, bullQueueName, keysFor } from "../../../src/redis/keys.ts";
import { SCRIPT_NAMES, scriptSource } from "../../../src/redis/scripts.ts";

const RUN_ID = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";

/** One call of every function, with arguments that can be recognised. */
const examples = (): Record<string, string> => {
  const keys = keysFor("flotilla", 0);
  return {
    run: keys.run("<runId>"),
    items: keys.items("<runId>"),
    hops: keys.hops("<runId>"),
    recordings: keys.recordings("<runId>"),
    intents: keys.intents("<runId>"),
    approvals: keys.approvals("<runId>"),
    decisions: keys.decisions("<runId>"),
    events: keys.events("<runId>"),
    dispatch: keys.dispatch(),
    timers: keys.timers(),
    retention: keys.retention(),
    pauses: keys.pauses(),
    parked: keys.parked(),
    resuming: keys.resuming(),
    index: keys.index(),
    totals: keys.totals("<day>"),
    workers: keys.workers(),
    agents: keys.agents(),
    stopsChannel: keys.stopsChannel(),
    notifyChannel: keys.notifyChannel("<runId>"),
    journal: keys.journal("<runId>", 7),
    live: keys.live("<runId>", 8, 9),
    idem: keys.idem("<tenant>", "k"),
    conversation: keys.conversation("<tenant>", "<id>"),
    conversationQueue: keys.conversationQueue("<tenant>", "<id>"),
    conversationTurns: keys.conversationTurns("<tenant>", "<id>"),
    conversations: keys.conversations("<tenant>"),
  };
};

const written = (name: string): string =>
  name
    .replace("{flotilla:0}", "{t}")
    .replace("journal:7", "journal:<hop>")
    .replace("live:8:9", "live:<turn>:<attempt>")
    .replace(/[0-9a-f]{64}$/, "<sha256 of the key>");

test("I9 the page of keys and the functions that build them name the same keys", async () => {
  const page = await readFile(new URL("../../../docs/redis-keys.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name, key]) => [name, key]);
  const built = Object.entries(examples()).map(([name, key]) => [name, written(key)]);
  expect(new Set(rows.map(([name, key]) => `${name} ${key}`))).toEqual(new Set(built.map(([name, key]) => `${name} ${key}`)));
  expect(new Set(Object.keys(keysFor()))).toEqual(new Set(Object.keys(examples())));
});

test("every name of a shard begins with the hash tag that BullMQ gets as its prefix", () => {
  for (const key of Object.values(examples())) expect(key.startsWith(`${bullPrefix("flotilla", 0)}:`)).toBe(true);
  expect(bullPrefix("other", 3)).toBe("{other:3}");
  expect(bullQueueName("slow")).toBe("slow.v1");
});

test("I11 idempotency keys of two tenants never meet, whatever they hold", () => {
  const keys = keysFor();
  expect(keys.idem("a", "b:c")).not.toBe(keys.idem("a:b", "c"));
  expect(keys.idem("a", "k")).not.toBe(keys.idem("b", "k"));
  expect(keys.run(RUN_ID)).toBe(`{flotilla:0}:run:${RUN_ID}`);
});

test("no script builds a key, and each says what it takes, returns and keeps", async () => {
  for (const name of SCRIPT_NAMES) {
    expect(scriptSource(name), name).not.toMatch(/flotilla|:run:|:journal|:dispatch/);
    const header = await readFile(new URL(`../../../src/redis/scripts/${name}.lua`, import.meta.url), "utf8");
    for (const part of [/^-- [A-Z]/, /^-- (KEYS|ARGV)/m, /^-- Returns /m, /^-- Keeps /m]) expect(header, name).toMatch(part);
  }
});
