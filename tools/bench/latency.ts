/** Times: one durable step, one handoff, the first live text. */
import { randomUUID } from "node:crypto";
import { Agent } from "@openai/agents";
import { NO_USAGE } from "../../src/protocol/run.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { createFleet } from "../../src/index.ts";
import { openHeldRun, openRig, submitAll } from "./rig.ts";
import { graphOf, instantModel } from "./shapes.ts";
import { round, spread } from "./statistics.ts";

type Spread = { readonly p50: number; readonly p99: number };

/** What journaling one model answer of 2 kB adds to it, with one call in flight. Milliseconds. */
export async function measureStep(redisUrl: string, samples = 2_000): Promise<Spread> {
  const { store, runId, close } = await openHeldRun(redisUrl);
  const valueJson = JSON.stringify({ v: 1, text: "x".repeat(2_000) });
  const times: number[] = [];
  for (let index = 0; index < samples + 100; index += 1) {
    const event = { type: "model.called", atMs: 0, hop: 0, agent: "a", scope: "0", model: "m", usage: NO_USAGE, durationMs: 0 } as const;
    const startedAt = performance.now();
    await store.record({ runId, token: "bench", hop: 0, key: `m:0:${index}`, valueJson, usage: NO_USAGE, turns: 0, event });
    if (index >= 100) times.push(performance.now() - startedAt);
  }
  await close();
  return spread(times);
}

/** From the answer that hands off to the next agent's model call; both sides in one process. Milliseconds. */
export async function measureHandoff(redisUrl: string, waiting: number, samples = 400): Promise<Spread> {
  const times: number[] = [];
  let handedOffAt = 0;
  const { agents, entry } = graphOf("threeHops");
  const timed = instantModel(({ handoffs }) => {
    if (handedOffAt > 0) times.push(performance.now() - handedOffAt);
    const [next] = handoffs;
    handedOffAt = next === undefined ? 0 : performance.now();
    return next === undefined
      ? [{ type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "done" }] }]
      : [{ type: "function_call", name: next.toolName, callId: "h", arguments: "{}", status: "completed" }];
  });
  const rig = openRig(redisUrl, agents, timed);
  if (waiting > 0) await submitAll(rig.fleet, entry.name, waiting);
  const enough = Promise.withResolvers<void>();
  rig.onSettled(() => {
    if (times.length >= samples) enough.resolve();
  });
  // One slot: what is timed is the way through the queue, past the backlog, not the wait for a slot.
  await rig.startWorker(1);
  if (waiting === 0) {
    const next = async (): Promise<void> => void (await rig.fleet.submit(entry.name, "go"));
    rig.onSettled(({ outcome }) => {
      if (outcome === "completed" && times.length < samples) void next();
    });
    await next();
  }
  await enough.promise;
  await rig.close();
  return spread(times.slice(0, samples));
}

/** From the provider's first piece of text to the follower that has it, less the same over the provider's own connection. Milliseconds. */
export async function measureFirstDelta(redisUrl: string, samples = 60): Promise<Spread> {
  let sentAt = 0;
  await using provider = await startFakeProvider({
    reply: () => {
      sentAt = performance.now();
      return { text: "A short answer in a few pieces, for whoever follows.", chunk: 6, chunkDelayMs: 2 };
    },
  });
  const fleet = createFleet({
    agents: { a: new Agent({ name: "a", model: "gpt-bench" }) },
    redis: redisUrl,
    prefix: `b${randomUUID().slice(0, 8)}`,
    env: { OPENAI_API_KEY: "bench", OPENAI_BASE_URL: provider.url },
  });
  await fleet.worker({ concurrency: 2 });
  const direct: number[] = [];
  const followed: number[] = [];
  for (let index = 0; index < samples; index += 1) {
    direct.push(await directDelta(provider.url, () => sentAt));
    const run = await fleet.submit("a", "go");
    let first: number | undefined;
    for await (const event of run.events()) if (event.type === "text.delta") first ??= performance.now() - sentAt;
    if (first !== undefined) followed.push(first);
  }
  await fleet.close();
  const base = spread(direct);
  const whole = spread(followed);
  return { p50: round(Math.max(0, whole.p50 - base.p50)), p99: round(Math.max(0, whole.p99 - base.p99)) };
}

async function directDelta(url: string, sentAt: () => number): Promise<number> {
  const response = await fetch(`${url}/responses`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer bench" },
    body: JSON.stringify({ model: "gpt-bench", input: "go", stream: true }),
  });
  let first: number | undefined;
  const decoder = new TextDecoder();
  if (response.body === null) throw new Error("The fake provider gave no stream.");
  for await (const piece of response.body) {
    if (first === undefined && decoder.decode(piece, { stream: true }).includes("output_text.delta")) first = performance.now() - sentAt();
  }
  return first ?? Number.NaN;
}
