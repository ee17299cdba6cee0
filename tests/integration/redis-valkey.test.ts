/** A fleet on Valkey. */
import { beforeEach, expect, test } from "vitest";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { judge, openLoadedFleet } from "../support/redis-load.ts";
import { missingPrograms, openServerRoom } from "../support/redis-servers.ts";

beforeEach((context) => {
  const missing = missingPrograms("valkey-server");
  if (missing !== undefined) context.skip(missing);
});

test("a fleet runs on Valkey, whose version is new enough", { tags: ["valkey", "redis", "processes"] }, async () => {
  await using room = openServerRoom();
  const { port } = await room.start("valkey", { program: "valkey-server" });
  const loaded = await openLoadedFleet(`redis://127.0.0.1:${port}`);
  await using bundle = loaded.bundle;
  expect(await judge(loaded.load(20), loaded.effects)).toEqual({ accepted: 20, ended: { completed: 20 }, lost: 0, doubled: 0 });
  expect(await checkRedis(bundle.redis())).toMatchObject({ evictionPolicy: "noeviction", notes: [] });
});
