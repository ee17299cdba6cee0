/** What a fleet on Redis promises to whoever submits runs and operates workers. */
import { Agent, type MCPServer, tool } from "@openai/agents";
import { Queue, Worker } from "bullmq";
import { expect, test } from "vitest";
import { z } from "zod";
import { currentCall, remoteAgent, toolPolicy } from "../../src/index.ts";
import { PROTOCOL_MINOR } from "../../src/protocol/job.ts";
import { bullPrefix, bullQueueName } from "../../src/redis/keys.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { createGate } from "../support/process-bundle.ts";

const hello = () => ({ text: "hello" });

test("a cancel reaches a model call that is running, and the run ends as cancelled", async () => {
  const gate = createGate();
  await using bundle = await setupInProcess(async () => {
    await gate.wait();
    return hello();
  });
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) });
  await fleet.worker(bundle.workerOptions);
  const run = await fleet.submit("a", "go");
  await gate.reached;
  expect(await run.cancel()).toEqual({ status: "requested" });
  expect(await run.result()).toMatchObject({ status: "cancelled" });
  expect(bundle.provider.served).toBe(0);
  gate.open();
  expect(await run.cancel()).toEqual({ status: "already-final", as: "cancelled" });
});

test("a tool sees the cancel in its signal", async () => {
  const seen = Promise.withResolvers<string>();
  const started = Promise.withResolvers<void>();
  const slow = tool({
    name: "slow",
    description: "Waits for its signal.",
    parameters: z.object({}),
    execute: async () => {
      const { signal } = currentCall() ?? {};
      started.resolve();
      await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
      seen.resolve(String(signal?.reason));
      return "stopped";
    },
  });
  await using bundle = await setupInProcess(() => ({ toolCalls: [{ name: "slow", arguments: {} }] }));
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m", tools: [toolPolicy(slow, { onCrash: "idempotent" })] }) });
  await fleet.worker(bundle.workerOptions);
  const run = await fleet.submit("a", "go");
  await started.promise;
  await run.cancel();
  expect(await seen.promise).toContain("cancelled");
  expect(await run.result()).toMatchObject({ status: "cancelled" });
});

test("a handoff to a remote agent is taken by another fleet's worker, and its queue comes from the registry", async () => {
  await using bundle = await setupInProcess((call) =>
    call.model === "near-model" ? { toolCalls: [{ name: "transfer_to_far", arguments: {} }] } : { text: "from afar" },
  );
  const far = new Agent({ name: "far", model: "far-model" });
  const farFleet = bundle.fleet({ far: { agent: far, queue: "faraway" } });
  const near = new Agent({ name: "near", model: "near-model", handoffs: [remoteAgent("far", { handoffDescription: "Far away." })] });
  const nearFleet = bundle.fleet({ near });
  await farFleet.worker(bundle.workerOptions);
  await nearFleet.worker(bundle.workerOptions);
  const run = await nearFleet.submit("near", "go");
  expect(await run.result()).toMatchObject({ status: "completed", agent: "far", output: "from afar" });
  expect(await run.status()).toMatchObject({ queue: "faraway", hop: 1 });
});

test("workers serve the queues they are told: specialists scale apart", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({
    quick: new Agent({ name: "quick", model: "m" }),
    slow: { agent: new Agent({ name: "slow", model: "m" }), queue: "slow" },
  });
  const worker = await fleet.worker({ ...bundle.workerOptions, queues: ["default"], concurrency: 4 });
  expect(worker.queues).toEqual(["default"]);
  const slow = await fleet.submit("slow", "go");
  const quick = await fleet.submit("quick", "go");
  expect(await quick.result()).toMatchObject({ status: "completed" });
  expect(await slow.status()).toMatchObject({ status: "queued", liveWorker: false });
  await fleet.worker({ ...bundle.workerOptions, queues: ["slow"] });
  expect(await slow.result()).toMatchObject({ status: "completed" });
});

test("a queue that no agent of the fleet lives on, and too few slots, are refused with a remedy", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({
    a: new Agent({ name: "a", model: "m" }),
    b: { agent: new Agent({ name: "b", model: "m" }), queue: "slow" },
  });
  await expect(fleet.worker({ queues: ["nowhere"] })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "queues" });
  await expect(fleet.worker({ concurrency: 1 })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "concurrency" });
});

test("a model without a key is refused when the worker starts, not when a run needs it", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) }, { env: {} });
  await expect(fleet.worker(bundle.workerOptions)).rejects.toMatchObject({ code: "MODEL_KEY_MISSING" });
  const claude = bundle.fleet({ a: new Agent({ name: "a", model: "anthropic/claude-x" }) }, { env: { OPENAI_API_KEY: "k" } });
  await expect(claude.worker(bundle.workerOptions)).rejects.toMatchObject({ code: "MODEL_KEY_MISSING" });
});

test("a delayed run is not started before its time, and a deadline ends a run that nobody takes", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({
    a: new Agent({ name: "a", model: "m" }),
    b: { agent: new Agent({ name: "b", model: "m" }), queue: "unserved" },
  });
  await fleet.worker({ ...bundle.workerOptions, queues: ["default"] });
  const delayed = await fleet.submit("a", "later", { delayMs: 700 });
  const expiring = await fleet.submit("b", "never", { deadlineMs: 500 });
  expect(await expiring.result()).toMatchObject({ status: "expired" });
  expect(await delayed.result()).toMatchObject({ status: "completed" });
  const { createdAtMs, startedAtMs = 0 } = await delayed.status();
  expect(startedAtMs - createdAtMs).toBeGreaterThanOrEqual(700);
});

test("a job of a newer protocol minor is put back for a worker that knows it, and a job that is not ours is dropped and said", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) });
  const queue = new Queue(bullQueueName("default"), { connection: bundle.redis(), prefix: bullPrefix(bundle.prefix, 0) });
  const runId = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";
  await queue.add("a", { v: 1, minor: PROTOCOL_MINOR + 1, runId, wake: 0 }, { jobId: "newer" });
  await queue.add("a", { anything: "else" }, { jobId: "foreign" });
  await fleet.worker(bundle.workerOptions);
  const run = await fleet.submit("a", "go");
  expect(await run.result()).toMatchObject({ status: "completed" });
  const counts = await queue.getJobCounts("delayed", "failed", "waiting");
  expect(counts).toMatchObject({ delayed: 1, failed: 0 });
  expect((await queue.getJob("newer"))?.attemptsMade).toBe(0);
  expect(bundle.log.records.filter(({ event }) => event === "job.refused")).toMatchObject([{ code: "JOB_INVALID", jobId: "foreign" }]);
  await queue.close();
});

test("I9: prompts and outputs ride in no BullMQ job and no BullMQ event", async () => {
  const secret = "canary-7c1e";
  await using bundle = await setupInProcess(() => ({ text: `${secret}-answer` }));
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m", instructions: `${secret}-instructions` }) });
  const waiting = await fleet.submit("a", `${secret}-input`, { delayMs: 60_000 });
  await fleet.worker(bundle.workerOptions);
  const run = await fleet.submit("a", `${secret}-input`);
  await run.result();
  const redis = bundle.redis();
  const found: string[] = [];
  for (const key of await redis.keys(`${bullPrefix(bundle.prefix, 0)}:${bullQueueName("default")}*`)) {
    const type = await redis.type(key);
    const content = type === "hash" ? await redis.hgetall(key) : type === "stream" ? await redis.xrange(key, "-", "+") : undefined;
    if (JSON.stringify(content ?? "").includes(secret)) found.push(key);
  }
  expect(found).toEqual([]);
  expect(JSON.stringify(bundle.log.records)).not.toContain(secret);
  await waiting.cancel();
});

test("I3: a wake that was lost between record and queue is offered again", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) });
  const run = await fleet.submit("a", "go");
  const redis = bundle.redis();
  const lost = await redis.keys(`${bullPrefix(bundle.prefix, 0)}:${bullQueueName("default")}*`);
  await redis.del(...lost);
  await fleet.worker(bundle.workerOptions);
  expect(await run.result({ timeoutMs: 30_000 })).toMatchObject({ status: "completed" });
});

test("I3: a process that dies between taking a job and beginning its run strands nothing", async () => {
  await using bundle = await setupInProcess(hello);
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) });
  const run = await fleet.submit("a", "go");
  const taker = new Worker(bullQueueName("default"), null, {
    connection: bundle.redis(),
    prefix: bullPrefix(bundle.prefix, 0),
    lockDuration: 1_000,
    autorun: false,
  });
  expect(await taker.getNextJob("dead")).toMatchObject({ id: `${run.id}-0` });
  await taker.close(true);
  await fleet.worker(bundle.workerOptions);
  expect(await run.result({ timeoutMs: 30_000 })).toMatchObject({ status: "completed" });
});

test("shutdown: a job that arrives while the worker stops goes back for another worker", async () => {
  const gate = createGate();
  await using bundle = await setupInProcess(async () => {
    await gate.wait();
    return hello();
  });
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m" }) });
  const stopping = await fleet.worker({ ...bundle.workerOptions, concurrency: 4 });
  const held = await fleet.submit("a", "held");
  await gate.reached;
  const closed = stopping.close();
  const late = await fleet.submit("a", "late");
  gate.open();
  await closed;
  expect((await late.status()).attempts).toBe(0);
  await fleet.worker(bundle.workerOptions);
  expect(await late.result()).toMatchObject({ status: "completed" });
  expect(await held.result()).toMatchObject({ status: "completed" });
  expect(await late.status()).toMatchObject({ attempts: 1, deaths: 0 });
});

test("MCP servers are pooled: one connection a process for all its runs, closed with the worker", async () => {
  const seen: string[] = [];
  const server: MCPServer = {
    name: "searcher",
    cacheToolsList: true,
    connect: async () => void seen.push("connect"),
    close: async () => void seen.push("close"),
    invalidateToolsCache: async () => undefined,
    listTools: async () => [
      {
        name: "search",
        description: "Searches.",
        inputSchema: { type: "object", properties: {}, required: [], additionalProperties: false },
      },
    ],
    callTool: async () => {
      seen.push("search");
      return [{ type: "text", text: "a hit" }];
    },
  };
  await using bundle = await setupInProcess((call) =>
    call.toolResults.length === 0 ? { toolCalls: [{ name: "search", arguments: {} }] } : { text: "found" },
  );
  const fleet = bundle.fleet({
    a: new Agent({ name: "a", model: "m", mcpServers: [server] }),
    b: new Agent({ name: "b", model: "m", mcpServers: [server] }),
  });
  const worker = await fleet.worker(bundle.workerOptions);
  for (const agent of ["a", "b"] as const) expect(await (await fleet.submit(agent, "go")).result()).toMatchObject({ status: "completed" });
  await worker.close();
  expect(seen).toEqual(["connect", "search", "search", "close"]);
});

test("I2: a worker whose main loop hangs longer than its lease decides nothing when it comes back", async () => {
  let turns = 0;
  const hang = tool({
    name: "hang",
    description: "Blocks the main loop.",
    parameters: z.object({}),
    execute: async () => {
      turns += 1;
      if (turns === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
      return "back";
    },
  });
  await using bundle = await setupInProcess((call) =>
    call.toolResults.length === 0 ? { toolCalls: [{ name: "hang", arguments: {} }] } : { text: "done" },
  );
  const fleet = bundle.fleet({ a: new Agent({ name: "a", model: "m", tools: [toolPolicy(hang, { onCrash: "idempotent" })] }) });
  await fleet.worker({ ...bundle.workerOptions, leaseMs: 600 });
  const run = await fleet.submit("a", "go");
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  // The model's first answer is not paid again; the superseded attempt's own results were kept as facts or made again under the same key.
  expect(bundle.provider.served).toBe(2);
});
