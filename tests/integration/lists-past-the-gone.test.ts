/** Promise: a page of a list that is not full is the last one, also where records went away between its two reads. */
import { expect, inject, onTestFinished, test } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { keysFor } from "../../src/redis/keys.ts";
import { newPrefix, openRedisStore } from "../support/redis-store.ts";
import { newRunId, submission } from "../support/run-store-fixture.ts";

test("I9 runs and conversations behind those that are gone are listed in their place", { tags: ["redis"] }, async () => {
  const redis = connectRedis({ url: inject("redisUrl"), role: "producer", name: "lists-test" });
  onTestFinished(() => redis.disconnect());
  const prefix = newPrefix();
  const { store, close } = openRedisStore(redis, {}, prefix);
  onTestFinished(close);
  const ids = Array.from({ length: 5 }, newRunId).toSorted();
  const runs = ids.map((runId, index) => submission({ runId, tenant: "acme", conversation: `talk-${index}` }));
  for (const run of runs) await store.submit(run);
  const [first, , , fourth, fifth] = runs.map(({ runId }) => runId);
  // The two newest of each list went away, and are still in its index.
  for (const runId of [fourth, fifth]) await redis.del(keysFor(prefix).run(runId ?? ""));
  for (const id of ["talk-3", "talk-4"]) await redis.del(keysFor(prefix).conversation("acme", id));

  const page = await store.list({ tenant: "acme", limit: 2 });
  expect(page.map(({ runId }) => runId)).toEqual([runs[2]?.runId, runs[1]?.runId]);
  const rest = await store.list({ tenant: "acme", limit: 2, before: runs[1]?.runId });
  expect(rest.map(({ runId }) => runId)).toEqual([first]);
  const talks = await store.conversations.list({ tenant: "acme", limit: 2 });
  expect(talks.map(({ id }) => id)).toEqual(["talk-2", "talk-1"]);
});
