/** Promise: what is deleted is gone, down to the last key, member and entry of Redis; nothing else is. */
import { randomUUID } from "node:crypto";
import { Agent, handoff, tool } from "@openai/agents";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { runCli } from "../../src/cli/program.ts";
import { toolPolicy } from "../../src/index.ts";
import { createProducer, type Producer } from "../../src/producer.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import type { FakeRule } from "../../src/testing/fake-provider.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { contentsOf, keysHolding } from "../support/redis-contents.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

const note = tool({ name: "note", description: "Notes.", parameters: z.object({ what: z.string() }), execute: async ({ what }) => what });
const closer = { agent: new Agent({ name: "closer", model: "closer-model" }), queue: "closing" };
const agents = {
  opener: new Agent({
    name: "opener",
    model: "opener-model",
    tools: [toolPolicy(note, { onCrash: "idempotent" })],
    handoffs: [handoff(closer.agent)],
  }),
  closer,
};

/** Two hops over two queues, with a tool and streamed text; every text holds the run's own word. */
const reply: FakeRule = (call) => {
  const word = /canary\w+/.exec(call.messages.map(({ text }) => text).join(" "))?.[0] ?? "";
  if (call.model === "closer-model") return { text: `${word} and so it was done, in many pieces`, chunk: 8 };
  if (call.toolResults.length === 0) return { text: `thinking of ${word}`, toolCalls: [{ name: "note", arguments: { what: word } }] };
  return { toolCalls: [{ name: "transfer_to_closer", arguments: {} }] };
};

const newWord = (): string => `canary${randomUUID().replaceAll("-", "")}`;

async function setup() {
  const bundle = await setupInProcess(reply);
  onTestFinished(() => bundle[Symbol.asyncDispose]());
  const fleet = bundle.fleet(agents);
  const producer: Producer = createProducer({ redis: bundle.redisUrl, prefix: bundle.prefix });
  onTestFinished(() => producer.close());
  const redis = connectRedis({ url: bundle.redisUrl, role: "worker", name: "deletion-test" });
  onTestFinished(() => redis.disconnect());
  /** A run of `tenant` that completed, and its word. */
  const finished = async (tenant: string): Promise<{ id: string; word: string }> => {
    const word = newWord();
    const options = { tenant, idempotencyKey: `${tenant} ${word}`, context: { word }, metadata: { word } };
    const run = await fleet.submit("opener", `Do ${word}`, options);
    expect(await run.result()).toMatchObject({ status: "completed", agent: "closer" });
    return { id: run.id, word };
  };
  const cli = async (...argv: string[]) => {
    const context = fakeContext({ env: { REDIS_URL: bundle.redisUrl, FLOTILLA_PREFIX: bundle.prefix } });
    return { code: await runCli(argv, context), out: context.stdout.join("\n"), talk: context.stderr.join("\n") };
  };
  return { bundle, fleet, producer, redis, finished, cli };
}

describe("deletion", { tags: ["redis"] }, () => {
  test("a deleted run leaves nothing: neither its id nor any of its words stand anywhere in Redis", async () => {
    const { bundle, fleet, producer, redis, finished } = await setup();
    const worker = await fleet.worker(bundle.workerOptions);
    const [gone, kept] = [await finished("acme"), await finished("acme")];
    // A worker tells Redis that a job is done after it has settled the run.
    await worker.close();
    const before = await keysHolding(redis, [gone.id]);
    expect(before.length).toBeGreaterThan(6);
    const keptKeys = await keysHolding(redis, [kept.id, kept.word]);

    await producer.remove(gone.id);
    expect(await keysHolding(redis, [gone.id, gone.word])).toEqual([]);
    expect(await keysHolding(redis, [kept.id, kept.word])).toEqual(keptKeys);
    expect(await producer.run(kept.id).result()).toMatchObject({ status: "completed" });
    await expect(producer.remove(gone.id)).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
    await expect(producer.run(gone.id).status()).rejects.toMatchObject({ code: "RUN_UNKNOWN" });
  });

  test("a run that is not over is refused until it was cancelled; then its job goes, too", async () => {
    const { fleet, producer, redis } = await setup();
    const word = newWord();
    const run = await fleet.submit("opener", `Do ${word}`, { idempotencyKey: word });
    const job = await keysHolding(redis, [`${run.id}-0`]);
    expect(job.length).toBeGreaterThan(0);
    await expect(producer.remove(run.id)).rejects.toMatchObject({ code: "RUN_LIVE", message: expect.stringContaining("queued") });
    expect(await run.status()).toMatchObject({ status: "queued" });
    await run.cancel();
    await producer.remove(run.id);
    expect(await keysHolding(redis, [run.id, word])).toEqual([]);
    const again = await fleet.submit("opener", "Something else", { idempotencyKey: word });
    expect(again.id).not.toBe(run.id);
  });

  test("a deleted tenant leaves nothing but its live runs; its neighbours keep all they have", async () => {
    const { bundle, fleet, producer, redis, finished } = await setup();
    const worker = await fleet.worker(bundle.workerOptions);
    const gone = [await finished("acme"), await finished("acme"), await finished("acme")];
    const neighbours = [await finished("acme.b"), await finished("acm")];
    const swept = await finished("acme");
    await worker.close();
    // As if its retention had passed: only its idempotency key is left of it.
    await producer.remove(swept.id);
    await redis.set(`{${bundle.prefix}:0}:idem:acme:${"0".repeat(64)}`, `${swept.id} hash`);
    const live = await fleet.submit("opener", "waits", { tenant: "acme", idempotencyKey: "waits" });

    expect(await producer.countTenant("acme")).toEqual({ final: 3, live: 1, conversations: 0 });
    expect(await producer.removeTenant("acme")).toEqual({ removed: 3, live: 1, conversations: 0 });
    expect(
      await keysHolding(
        redis,
        [...gone, swept].flatMap(({ id, word }) => [id, word]),
      ),
    ).toEqual([]);
    expect(await live.status()).toMatchObject({ status: "queued" });
    expect((await fleet.submit("opener", "waits", { tenant: "acme", idempotencyKey: "waits" })).id).toBe(live.id);
    for (const { id } of neighbours) expect(await producer.run(id).result()).toMatchObject({ status: "completed" });

    await live.cancel();
    expect(await producer.removeTenant("acme")).toEqual({ removed: 1, live: 0, conversations: 0 });
    const left = [...(await contentsOf(redis))].filter(([key]) => key.startsWith(`{${bundle.prefix}:0}`));
    // Tenants are made of letters, digits and . _ @ -: `acme.b` is another one.
    const named = left.filter(([key, value]) => /(?:^|[^\w.@-])acme(?:$|[^\w.@-])/.test(`${key} ${value}`));
    expect(named).toEqual([]);
    expect(left.some(([, value]) => value.includes("acme.b"))).toBe(true);
  });

  test("a deleted tenant's conversations go too, but for those of live runs; deleting only the runs leaves them", async () => {
    const { bundle, fleet, producer, redis } = await setup();
    const worker = await fleet.worker(bundle.workerOptions);
    const word = newWord();
    const said = async (tenant: string, conversation: string) => {
      const run = await fleet.submit("opener", `Do ${word}`, { tenant, conversation });
      expect(await run.result()).toMatchObject({ status: "completed" });
      return run;
    };
    const runs = [await said("acme", "over"), await said("acme", "over"), await said("acme", "live")];
    await said("acme.b", "over");
    await worker.close();
    for (const run of runs) await producer.remove(run.id);
    expect(await producer.conversations.items("over", { tenant: "acme" })).not.toEqual([]);
    const live = await fleet.submit("opener", "waits", { tenant: "acme", conversation: "live" });
    await expect(producer.conversations.delete("live", { tenant: "acme" })).rejects.toMatchObject({ code: "CONVERSATION_BUSY" });
    expect(await producer.countTenant("acme")).toEqual({ final: 0, live: 1, conversations: 2 });
    expect(await producer.removeTenant("acme")).toEqual({ removed: 0, live: 1, conversations: 1 });
    await live.cancel();
    expect(await producer.removeTenant("acme")).toEqual({ removed: 1, live: 0, conversations: 1 });
    const holding = await keysHolding(redis, [word]);
    expect(holding.filter((key) => key.includes("conversation"))).toEqual([`{${bundle.prefix}:0}:conversation:acme.b:over:turns`]);
    const named = [...(await contentsOf(redis)).keys()].filter(
      (key) => key.startsWith(`{${bundle.prefix}:0}`) && /conversations?:acme(?:$|:)/.test(key),
    );
    expect(named).toEqual([]);
  });

  test("more runs than one batch holds are deleted, and a second time there is nothing to do", async () => {
    const { fleet, producer, redis, bundle } = await setup();
    const requests = Array.from({ length: 250 }, (_, index) => ({
      agent: "opener" as const,
      input: "x",
      tenant: "bulk",
      idempotencyKey: `k${index}`,
    }));
    const ids: string[] = [];
    for await (const answer of fleet.submitMany(requests)) if ("run" in answer) ids.push(answer.run.id);
    for (const id of ids) await producer.run(id).cancel();
    expect(await producer.removeTenant("bulk")).toEqual({ removed: 250, live: 0, conversations: 0 });
    expect(await producer.removeTenant("bulk")).toEqual({ removed: 0, live: 0, conversations: 0 });
    const left = [...(await contentsOf(redis)).keys()].filter(
      (key) => key.startsWith(`{${bundle.prefix}:0}`) && /r0-|idem|dispatch|timers|retention|index/.test(key),
    );
    expect(left).toEqual([]);
  });

  test("the command line deletes a run, and a tenant only when that is meant", async () => {
    const { bundle, fleet, finished, cli, producer } = await setup();
    await fleet.worker(bundle.workerOptions);
    const [one, two] = [await finished("acme"), await finished("acme")];
    expect(await cli("runs", "delete", one.id)).toMatchObject({ code: 0, out: `${one.id} deleted` });
    expect(await cli("runs", "delete", one.id)).toMatchObject({ code: 2, out: "", talk: expect.stringContaining("RUN_UNKNOWN") });

    const unasked = await cli("runs", "delete", "--tenant", "acme");
    expect(unasked).toMatchObject({
      code: 2,
      out: "",
      talk: expect.stringMatching(/^1 run of tenant acme will be deleted for good\.\n[^]*--yes/),
    });
    expect(await producer.run(two.id).status()).toMatchObject({ status: "completed" });
    const done = await cli("runs", "delete", "--tenant", "acme", "--yes", "--json");
    expect(done.code).toBe(0);
    expect(JSON.parse(done.out)).toEqual({ tenant: "acme", removed: 1, live: 0, conversations: 0 });

    const waiting = await fleet.submit("opener", "later", { tenant: "acme", delayMs: 60_000 });
    const refused = await cli("runs", "delete", "--tenant", "acme", "--yes");
    expect(refused).toMatchObject({ code: 1, out: "0 runs of acme deleted", talk: expect.stringContaining("1 run not over and left") });
    expect(await cli("runs", "delete", waiting.id)).toMatchObject({ code: 2, talk: expect.stringContaining("RUN_LIVE") });
    expect(await cli("runs", "delete", waiting.id, "--tenant", "other")).toMatchObject({
      code: 2,
      talk: expect.stringContaining("RUN_UNKNOWN"),
    });
  });
});
