/** Promise: a conversation stays listed for as long as it is kept, also where processes were told different times. */
import { expect, inject, onTestFinished, test } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { keysFor } from "../../src/redis/keys.ts";
import { newPrefix, openRedisStore } from "../support/redis-store.ts";
import { DAY_MS, submission } from "../support/run-store-fixture.ts";

function setup() {
  const redis = connectRedis({ url: inject("redisUrl"), role: "producer", name: "retention-test" });
  onTestFinished(() => redis.disconnect());
  const prefix = newPrefix();
  const long = openRedisStore(redis, { conversationKeepMs: 400 * DAY_MS }, prefix);
  const short = openRedisStore(redis, { conversationKeepMs: 31 * DAY_MS }, prefix);
  onTestFinished(async () => {
    await long.close();
    await short.close();
  });
  const listed = async (): Promise<string[]> => (await short.store.conversations.list({ tenant: "acme", limit: 10 })).map(({ id }) => id);
  const indexed = (): Promise<string[]> => redis.zrange(keysFor(prefix).conversations("acme"), "0", "-1");
  return { long, short, listed, indexed };
}

test("I9 after a fleet was told a shorter time, what it keeps from before stays listed until it lapses", { tags: ["redis"] }, async () => {
  const { long, short, listed, indexed } = setup();
  const change = { keep: 0, append: [], changeId: "1" };
  await long.store.conversations.change({ tenant: "acme", id: "old" }, change);
  await long.advance(250 * DAY_MS);
  await short.store.conversations.change({ tenant: "acme", id: "by-hand" }, change);
  await short.store.submit(submission({ tenant: "acme", conversation: "new" }));
  expect((await listed()).toSorted()).toEqual(["by-hand", "new", "old"]);
  await long.advance(149 * DAY_MS);
  await short.store.conversations.change({ tenant: "acme", id: "latest" }, change);
  expect((await indexed()).toSorted()).toEqual(["by-hand", "latest", "new", "old"]);
  await long.advance(2 * DAY_MS);
  await short.store.conversations.change({ tenant: "acme", id: "latest" }, { ...change, changeId: "2" });
  expect(await indexed()).toEqual(["latest"]);
});

test("I9 a process that was told a shorter time neither shortens a conversation nor takes it off its tenant's list", {
  tags: ["redis"],
}, async () => {
  const { long, short, listed } = setup();
  const change = { keep: 0, append: [] };
  await long.store.conversations.change({ tenant: "acme", id: "old" }, { ...change, changeId: "1" });
  await long.advance(100 * DAY_MS);
  await short.store.submit(submission({ tenant: "acme", conversation: "new" }));
  await short.store.conversations.change({ tenant: "acme", id: "by-hand" }, { ...change, changeId: "2" });
  expect((await listed()).toSorted()).toEqual(["by-hand", "new", "old"]);
  await short.store.conversations.change({ tenant: "acme", id: "old" }, { ...change, changeId: "3" });
  await long.advance(200 * DAY_MS);
  expect((await listed()).toSorted()).toEqual(["by-hand", "new", "old"]);
});
