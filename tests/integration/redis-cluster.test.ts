/** A fleet on a Redis Cluster: it works, and goes on when a primary dies and when its slot moves under load. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { keysFor } from "../../src/redis/keys.ts";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { gapAfter, judge, openLoadedFleet } from "../support/redis-load.ts";
import {
  type ClusterSetup,
  missingPrograms,
  openServerRoom,
  ownerOf,
  redisCli,
  type ServerRoom,
  startCluster,
} from "../support/redis-servers.ts";

const tags = ["cluster", "redis", "processes", "slow"];
const NODE_TIMEOUT_MS = 2_000;

beforeEach((context) => {
  const missing = missingPrograms("redis-server", "redis-cli");
  if (missing !== undefined) context.skip(missing);
});

let room: ServerRoom | undefined;
let formed: ClusterSetup | undefined;

/** One Cluster for the file, since it takes seconds to form; a fleet and a prefix for each test. */
async function setup() {
  room ??= openServerRoom();
  formed ??= await startCluster(room, NODE_TIMEOUT_MS);
  const shared = formed;
  const loaded = await openLoadedFleet(shared.url);
  return {
    ...loaded,
    cluster: shared,
    place: () => ownerOf(shared, keysFor(loaded.bundle.prefix).dispatch()),
    [Symbol.asyncDispose]: () => loaded.bundle[Symbol.asyncDispose](),
  };
}

afterAll(() => room?.[Symbol.asyncDispose]());

test("I1 I3 a fleet runs on a Cluster, its checks look at every primary, and its keys are in one slot", { tags }, async () => {
  await using it = await setup();
  const { cluster, bundle, effects, load } = it;
  expect(await judge(load(30), effects)).toEqual({ accepted: 30, ended: { completed: 30 }, lost: 0, doubled: 0 });
  const { owner } = await it.place();
  for (const { port } of cluster.nodes) {
    const keys = await redisCli(port, "keys", "*");
    const held = keys.includes(bundle.prefix);
    const isReplica = (await redisCli(port, "role")).startsWith("slave");
    if (!isReplica) expect(held).toBe(port === owner.port);
  }
  const redis = bundle.redis();
  expect(await checkRedis(redis)).toMatchObject({ evictionPolicy: "noeviction", notes: [] });
  const other = cluster.nodes.slice(0, 3).find(({ port }) => port !== owner.port);
  await redisCli(other?.port ?? 0, "config", "set", "maxmemory-policy", "allkeys-lru");
  await expect(checkRedis(redis)).rejects.toMatchObject({ code: "REDIS_EVICTS", at: `127.0.0.1:${other?.port}` });
  await redisCli(other?.port ?? 0, "config", "set", "maxmemory-policy", "noeviction");
});

test("I3 I5 runs complete while the slot that holds them moves to another node", { tags }, async () => {
  await using it = await setup();
  const { cluster, effects, load } = it;
  const running = load(120);
  await it.effectsSeen(30);
  const { owner, id, slot } = await it.place();
  const target = cluster.nodes.slice(0, 3).find(({ port }) => port !== owner.port);
  const targetId = await redisCli(target?.port ?? 0, "cluster", "myid");
  const startedAtMs = systemClock.nowMs();
  const moved = await moveSlot({ owner: owner.port, ownerId: id, target: target?.port ?? 0, targetId, slot });
  const movedAtMs = systemClock.nowMs();
  const verdict = await judge(running, effects);
  console.log(
    `Cluster: ${moved} keys moved in ${movedAtMs - startedAtMs} ms; ${gapAfter(effects, startedAtMs)} ms the longest time without an effect`,
  );
  expect(verdict).toEqual({ accepted: 120, ended: { completed: 120 }, lost: 0, doubled: 0 });
  expect((await it.place()).owner.port).toBe(target?.port);
});

// Last, because it leaves a node less.
test("I3 I5 when the primary that holds a fleet is killed, its replica takes over and every run completes", { tags }, async () => {
  await using it = await setup();
  const { effects, load } = it;
  const running = load(120);
  await it.effectsSeen(30);
  const { owner } = await it.place();
  const killedAtMs = systemClock.nowMs();
  await owner.kill();
  const verdict = await judge(running, effects);
  console.log(
    `Cluster: ${gapAfter(effects, killedAtMs)} ms without an effect after the kill; ${running.refused()} submits refused, ${it.repeatedCalls(120)} model calls repeated`,
  );
  expect(verdict).toEqual({ accepted: 120, ended: { completed: 120 }, lost: 0, doubled: 0 });
});

interface SlotMove {
  readonly owner: number;
  readonly ownerId: string;
  readonly target: number;
  readonly targetId: string;
  readonly slot: number;
}

/** By hand, a few keys at a time, as resharding tools do; so that the load meets a slot that is in two places. Returns how many moved. */
async function moveSlot({ owner, ownerId, target, targetId, slot }: SlotMove): Promise<number> {
  const at = String(slot);
  await redisCli(target, "cluster", "setslot", at, "importing", ownerId);
  await redisCli(owner, "cluster", "setslot", at, "migrating", targetId);
  let moved = 0;
  for (;;) {
    const keys = (await redisCli(owner, "cluster", "getkeysinslot", at, "20")).split("\n").filter((key) => key !== "");
    if (keys.length === 0) break;
    await redisCli(owner, "migrate", "127.0.0.1", String(target), "", "0", "5000", "keys", ...keys);
    moved += keys.length;
  }
  for (const port of [target, owner]) await redisCli(port, "cluster", "setslot", at, "node", targetId);
  return moved;
}
