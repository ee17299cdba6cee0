/** One process that does one kind of work `count` times and says what CPU it took, its own and Redis'. Driven by `tax.ts`. */
import { randomUUID } from "node:crypto";
import { Runner } from "@openai/agents";
import { Queue, Worker } from "bullmq";
import { createFleet } from "../../src/index.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { graphOf, SHAPES, type Shape } from "./shapes.ts";

export const VARIANTS = ["fleet", "bullmq", "runner"] as const;
export type Variant = (typeof VARIANTS)[number];

export interface CpuResult {
  /** Microseconds of this process' CPU per piece of work. */
  readonly cpuUs: number;
  /** Microseconds of Redis' CPU per piece of work. */
  readonly redisUs: number;
}

const IN_FLIGHT = 50;
/** A worker lives for hours: what compiling its code costs in the first seconds is no part of a run. */
const WARM_UP = 2_000;

const [variantArg = "", shapeArg = "", countArg = "", redisUrl = ""] = process.argv.slice(2);
const variant = VARIANTS.find((name) => name === variantArg);
const shape = SHAPES.find((name) => name === shapeArg);
if (variant === undefined || shape === undefined) throw new Error(`Expected a variant and a shape; got ${variantArg} ${shapeArg}.`);
const info = connectRedis({ url: redisUrl, role: "producer", name: "bench-info" });

async function redisCpuUs(): Promise<number> {
  const text = await info.info("cpu");
  const read = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(text)?.[1] ?? Number.NaN);
  return (read("used_cpu_user") + read("used_cpu_sys")) * 1e6;
}

async function measured(count: number, work: (count: number) => Promise<void>): Promise<CpuResult> {
  await work(WARM_UP);
  const redisBefore = await redisCpuUs();
  const before = process.cpuUsage();
  await work(count);
  const { user, system } = process.cpuUsage(before);
  return { cpuUs: (user + system) / count, redisUs: ((await redisCpuUs()) - redisBefore) / count };
}

/** `count` pieces, at most IN_FLIGHT at a time. */
async function inParallel(count: number, one: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function fleetWork(of: Shape): Promise<{ work: (count: number) => Promise<void>; close: () => Promise<void> }> {
  const { agents, entry, model } = graphOf(of);
  const entries = Object.fromEntries(Object.entries(agents).map(([name, agent]) => [name, { agent, stream: false }]));
  const fleet = createFleet({ agents: entries, models: { m: model }, redis: redisUrl, prefix: `b${randomUUID().slice(0, 8)}` });
  const waiting = new Map<string, () => void>();
  // Ends are noticed at the worker, as for plain BullMQ; following a run from elsewhere is another cost.
  const log = {
    ...silentLog,
    info: (fields: { readonly event?: string; readonly runId?: string; readonly outcome?: string }): void => {
      if (fields.event === "attempt.settled" && fields.outcome === "completed") waiting.get(fields.runId ?? "")?.();
    },
  };
  await fleet.worker({ concurrency: IN_FLIGHT, log });
  return {
    work: (count) =>
      inParallel(count, async () => {
        const ended = Promise.withResolvers<void>();
        const { id } = await fleet.submit(entry.name, "go");
        waiting.set(id, ended.resolve);
        await ended.promise;
        waiting.delete(id);
      }),
    close: () => fleet.close(),
  };
}

async function bullWork(): Promise<{ work: (count: number) => Promise<void>; close: () => Promise<void> }> {
  const prefix = `{b${randomUUID().slice(0, 8)}}`;
  const redis = connectRedis({ url: redisUrl, role: "worker", name: "bench-bull" });
  const queue = new Queue("plain", { connection: redis, prefix });
  const waiting = new Map<string, () => void>();
  const worker = new Worker("plain", async () => null, {
    connection: redis,
    prefix,
    concurrency: IN_FLIGHT,
    removeOnComplete: { count: 0 },
  });
  worker.on("completed", (job) => waiting.get(job.id ?? "")?.());
  let next = 0;
  return {
    work: (count) =>
      inParallel(count, async () => {
        const jobId = `j${next++}`;
        const done = new Promise<void>((resolve) => waiting.set(jobId, resolve));
        await queue.add("a", { input: "go" }, { jobId, removeOnComplete: true });
        await done;
        waiting.delete(jobId);
      }),
    close: async () => {
      await worker.close();
      await queue.close();
      redis.disconnect();
    },
  };
}

function runnerWork(of: Shape): { work: (count: number) => Promise<void>; close: () => Promise<void> } {
  const { entry, model } = graphOf(of);
  const runner = new Runner({ modelProvider: { getModel: () => model }, tracingDisabled: true });
  return {
    work: (count) =>
      inParallel(count, async () => {
        const result = await runner.run(entry, "go");
        if (result.finalOutput !== "done") throw new Error("The plain run did not answer.");
      }),
    close: async () => undefined,
  };
}

const { work, close } = variant === "fleet" ? await fleetWork(shape) : variant === "bullmq" ? await bullWork() : runnerWork(shape);
const result = await measured(Number(countArg), work);
await close();
info.disconnect();
console.log(JSON.stringify(result));
