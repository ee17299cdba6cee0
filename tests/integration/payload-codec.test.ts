/** Promise: with a codec, Redis holds ids, names, states and numbers, and nothing that a user, a model or a tool said. */
import { randomUUID } from "node:crypto";
import { Agent, handoff, type RunContext, tool } from "@openai/agents";
import { createRedisMock } from "js-redis-server";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { z } from "zod";
import { NO_KEYS, payloadCodec } from "../../src/codec/payload-codec.ts";
import { createSealedRunStore } from "../../src/codec/sealed-run-store.ts";
import { type PayloadCodec, toolPolicy } from "../../src/index.ts";
import { createProducer } from "../../src/producer.ts";
import { createBullWakeQueue } from "../../src/producers/bull-wake-queue.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { keysFor } from "../../src/redis/keys.ts";
import type { FakeRule } from "../../src/testing/fake-provider.ts";
import { type InProcess, setupInProcess } from "../support/in-process-fleet.ts";
import { createGate, type Gate } from "../support/process-bundle.ts";
import { keysHolding } from "../support/redis-contents.ts";
import { openRedisStore } from "../support/redis-store.ts";
import { runStoreSuite } from "../support/run-store-suite.ts";
import { newKey, sealedStore, testCodec } from "../support/sealed-store.ts";

const mock = await createRedisMock();
const connections = [inject("redisUrl"), `redis://${mock.host}:${mock.port}`].map((url) =>
  connectRedis({ url, role: "worker", name: "codec-test" }),
);
afterAll(async () => {
  for (const redis of connections) redis.disconnect();
  await mock.close();
});
for (const [index, redis] of connections.entries()) {
  runStoreSuite(`sealed redis run store, server ${index + 1}`, async (options) => sealedStore(openRedisStore(redis, options)));
}

/** Every text that anybody says begins with the same word, which stands nowhere else. */
const newWord = (): string => `canary${randomUUID().replaceAll("-", "")}`;

function agentsOf(word: string, gate: Gate) {
  const lookup = tool({
    name: "lookup",
    description: "Looks up.",
    parameters: z.object({ order: z.string() }),
    execute: async (_args, context?: RunContext<unknown>) => {
      Object.assign(context?.context as object, { note: `${word}-note` });
      return { found: `${word}-result` };
    },
  });
  const pay = tool({
    name: "pay",
    description: "Pays.",
    parameters: z.object({ why: z.string() }),
    needsApproval: true,
    execute: async () => "paid",
  });
  const act = tool({
    name: "act",
    description: "Acts.",
    parameters: z.object({ what: z.string() }),
    execute: async () => {
      await gate.wait();
      return "acted";
    },
  });
  const breaks = tool({
    name: "breaks",
    description: "Breaks.",
    parameters: z.object({}),
    errorFunction: null,
    execute: async () => {
      throw new Error(`${word}-tool-error`);
    },
  });
  const trips = { name: "trips", execute: async () => ({ tripwireTriggered: true, outputInfo: { why: `${word}-guardrail` } }) };
  const closer = new Agent({ name: "closer", model: "closer-model", instructions: `${word}-instructions` });
  const onHandoff = (): void => undefined;
  return {
    desk: withSettings(
      new Agent({
        name: "desk",
        model: "desk-model",
        tools: [toolPolicy(lookup, { onCrash: "idempotent" }), pay],
        handoffs: [handoff(closer, { inputType: z.object({ note: z.string() }), onHandoff })],
      }),
    ),
    closer,
    actor: withSettings(new Agent({ name: "actor", model: "actor-model", tools: [act] })),
    breaker: new Agent({ name: "breaker", model: "breaker-model", tools: [toolPolicy(breaks, { onCrash: "idempotent" })] }),
    guarded: new Agent({ name: "guarded", model: "guarded-model", inputGuardrails: [trips] }),
  };
}

/** Takes any settings and stays as it is. */
const withSettings = <A>(agent: A) => ({ agent, configure: () => agent });

const ruleFor =
  (word: string): FakeRule =>
  (call) => {
    const say = (text: string) => ({ text: `Streamed, and the first piece is short: ${word}-${text} it says.`, chunk: 8, chunkDelayMs: 5 });
    const use = (name: string, args: Record<string, unknown>) => ({ toolCalls: [{ name, arguments: args }] });
    if (call.model === "breaker-model") return use("breaks", {});
    if (call.model === "actor-model") return call.toolResults.length === 0 ? use("act", { what: `${word}-act` }) : say("acted");
    if (call.model === "desk-model") {
      if (call.toolResults.length === 0) return { ...say("thinking"), ...use("lookup", { order: `${word}-order` }) };
      return call.toolResults.length === 1 ? use("pay", { why: `${word}-pay` }) : use("transfer_to_closer", { note: `${word}-handoff` });
    }
    return say("answer");
  };

/** The worker's attempt is given up in the middle of its tool, as if its process had died: nobody knows whether the tool took effect. */
async function loseAttempt(bundle: InProcess, runId: string): Promise<void> {
  const redis = bundle.redis();
  const token = (await redis.hget(keysFor(bundle.prefix).run(runId), "token")) ?? "";
  const wakes = await bundle.store().takeBack([{ runId, token }], { retentionMs: 60_000, maxDeaths: 5 });
  const queue = createBullWakeQueue({ redis, prefix: bundle.prefix });
  await queue.add(wakes);
  await queue.close();
}

interface Followed {
  readonly id: string;
  events(): AsyncIterable<{ readonly type: string }>;
  result(): Promise<unknown>;
}

async function eventOf(run: Followed, type: string): Promise<void> {
  for await (const event of run.events()) if (event.type === type) return;
  throw new Error(`Run ${run.id} ended without ${type}: ${JSON.stringify(await run.result())}`);
}

/** Plays everything that a fleet can do, and looks into Redis whenever something waits there. */
async function play(bundle: InProcess, word: string, codec: PayloadCodec | undefined) {
  bundle.provider.setReply(ruleFor(word));
  const gate = createGate();
  const fleet = bundle.fleet(agentsOf(word, gate), codec === undefined ? {} : { codec });
  const redis = bundle.redis();
  const store = createSealedRunStore(bundle.store(), codec ?? NO_KEYS);
  const seen = new Set<string>();
  const look = async (): Promise<void> => {
    for (const key of await keysHolding(redis, [word])) seen.add(key);
  };
  const options = {
    context: { customer: `${word}-context` },
    metadata: { ticket: `${word}-metadata` },
    settings: { style: `${word}-settings` },
  };

  await fleet.worker(bundle.workerOptions);
  const lost = await fleet.submit("actor", `${word}-input`, { ...options, idempotencyKey: "lost" });
  await gate.reached;
  await look();
  await loseAttempt(bundle, lost.id);
  const desk = await fleet.submit("desk", `${word}-input`, { ...options, conversation: "talk" });
  const [broken, blocked] = [await fleet.submit("breaker", `${word}-input`), await fleet.submit("guarded", `${word}-input`)];
  await Promise.all([eventOf(desk, "run.suspended"), eventOf(lost, "run.suspended"), eventOf(broken, "run.retrying")]);
  await look();
  const open = {
    approvals: (await desk.status()).approvals,
    intents: (await lost.status()).openIntents,
    error: (await broken.status()).error,
  };

  const shown: string[] = [];
  const reading = (async () => {
    for await (const text of desk.text()) shown.push(text);
  })();
  await desk.reject(open.approvals[0]?.callId ?? "", { reason: `${word}-decision` });
  await lost.resolve(open.intents[0]?.callId, { type: "ran", result: { told: `${word}-resolved` } });
  const ended = [await desk.result(), await lost.result(), await blocked.result()];
  await reading;
  const copied = await (await desk.replay()).result();
  gate.open();
  await broken.cancel();
  await broken.result();
  await look();
  const events = await Promise.all([desk, lost, broken, blocked].map((run) => store.events(run.id, "0-0", 1_000)));
  return {
    seen: [...seen],
    open,
    ended,
    copied,
    shown: shown.join(""),
    events: JSON.stringify(events),
    asked: JSON.stringify(bundle.provider.calls.map(({ body }) => body)),
    said: JSON.stringify(await fleet.conversations.items("talk")),
    again: () => fleet.submit("actor", `${word}-input`, { ...options, idempotencyKey: "lost" }),
    lost,
  };
}

const partOf = (key: string): string => /:(?:run:[^:]+|conversation:[^:]+:[^:]+):?([a-z]*)/.exec(key)?.[1] ?? key;

describe("a whole fleet", { tags: ["redis"] }, () => {
  let word = "";
  beforeAll(() => {
    word = newWord();
  });

  test("the look into Redis has eyes: without a codec it finds the words in every kind of key that holds any", async () => {
    await using bundle = await setupInProcess(() => ({ text: "" }));
    const { seen } = await play(bundle, word, undefined);
    expect(new Set(seen.filter((key) => key.includes(bundle.prefix)).map(partOf))).toEqual(
      new Set(["", "items", "journal", "intents", "approvals", "decisions", "events", "live", "turns", "hops", "recordings"]),
    );
  });

  test("with a codec Redis holds none of the words, and everybody above reads all of them", async () => {
    const sealedWord = newWord();
    await using bundle = await setupInProcess(() => ({ text: "" }));
    const { seen, open, ended, copied, shown, events, asked, said, again, lost } = await play(bundle, sealedWord, testCodec);
    expect(seen).toEqual([]);

    expect(open).toMatchObject({
      approvals: [{ tool: "pay", arguments: `{"why":"${sealedWord}-pay"}` }],
      intents: [{ tool: "act", arguments: `{"what":"${sealedWord}-act"}` }],
      error: { code: "TOOL_FAILED", message: expect.stringContaining(`${sealedWord}-tool-error`) },
    });
    expect(ended).toMatchObject([
      { status: "completed", agent: "closer", output: expect.stringContaining(`${sealedWord}-answer`) },
      { status: "completed", agent: "actor", output: expect.stringContaining(`${sealedWord}-acted`) },
      { status: "blocked", guardrail: { name: "trips", info: { why: `${sealedWord}-guardrail` } } },
    ]);
    // What a copy took over was opened with its source's key and sealed with its own.
    expect(copied).toMatchObject({ status: "completed", agent: "closer", output: expect.stringContaining(`${sealedWord}-answer`) });
    expect(shown).toContain(`${sealedWord}-answer`);
    for (const told of ["result", "pay", "handoff", "answer", "act", "tool-error"]) expect(events).toContain(`${sealedWord}-${told}`);
    for (const told of ["input", "result", "decision", "answer"]) expect(said).toContain(`${sealedWord}-${told}`);
    // Nothing reaches a reader, or the model, that was not opened.
    expect(JSON.stringify([open, ended, shown, events, asked, said])).not.toMatch(/f1\.k2\.|\$sealed/);
    // The model was told what only sealed places held.
    for (const told of ["input", "decision", "resolved", "result"]) expect(asked).toContain(`${sealedWord}-${told}`);
    expect((await again()).id).toBe(lost.id);
  });

  test("a worker without the key puts a run back, says which key it lacks, and one that has it finishes the run", async () => {
    const [k1, k2] = [newKey(), newKey()];
    await using bundle = await setupInProcess(() => ({ text: "done" }));
    const agents = { a: new Agent({ name: "a", model: "m" }) };
    const owner = bundle.fleet(agents, { codec: payloadCodec({ keys: { k1 }, current: "k1" }) });
    const run = await owner.submit("a", `${word}-input`);
    const other = bundle.fleet(agents, { codec: payloadCodec({ keys: { k2 }, current: "k2" }) });
    const blind = await other.worker(bundle.workerOptions);
    await eventOfRaw(bundle, run.id, "run.retrying");
    await blind.close();
    expect(bundle.log.records.filter(({ event }) => event === "run.unreadable")).toMatchObject([
      { code: "PAYLOAD_KEY_MISSING", runId: run.id },
    ]);
    expect(bundle.provider.served).toBe(0);
    await using producer = createProducer({ redis: bundle.redisUrl, prefix: bundle.prefix });
    await expect(producer.run(run.id).status()).rejects.toMatchObject({
      code: "PAYLOAD_KEY_MISSING",
      message: expect.stringContaining("key k1"),
    });
    expect(JSON.stringify(bundle.log.records)).not.toContain(word);
    expect(await bundle.store().get(run.id)).toMatchObject({ status: "queued", deaths: 0 });
  });
});

/** Without opening anything. */
async function eventOfRaw(bundle: InProcess, runId: string, type: string): Promise<void> {
  const store = bundle.store();
  await expect
    .poll(async () => (await store.events(runId, "0-0", 100)).map(({ event }) => event.type), { timeout: 10_000 })
    .toContain(type);
}
