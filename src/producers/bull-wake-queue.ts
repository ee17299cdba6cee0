/**
 * Puts wakes into BullMQ. A job is only a wake-up (I1): its id names the wake, so the same wake twice is one job; it is removed when done,
 * and it holds no prompt (I9). Order: continuations and `high` go to the head, `normal` is first in first out, `low` comes after all others.
 */
import { type JobsOptions, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { jobIdOf } from "../protocol/ids.ts";
import { type JobData, PROTOCOL_MAJOR, PROTOCOL_MINOR, type WakeJob } from "../protocol/job.ts";
import type { WakeQueue } from "../protocol/wake-queue.ts";
import { bullJobKey, bullPrefix, bullQueueName } from "../redis/keys.ts";

export interface BullWakeQueueDeps {
  /** Shared, never closed from here. */
  readonly redis: Redis;
  readonly prefix: string;
}

/** BullMQ serves 0 before all others, then the lowest number. */
const LOW_PRIORITY = 10;
/** Nobody reads BullMQ's own events; a run's events are in its own stream. */
const BULL_EVENTS_KEPT = 1_000;
/** Only for a Redis that is away while a job ends: business outcomes never throw. */
const BULL_ATTEMPTS = 3;
const BULL_BACKOFF_MS = 1_000;

export function createBullWakeQueue({ redis, prefix }: BullWakeQueueDeps): WakeQueue {
  const queues = new Map<string, Queue>();
  const queueOf = (name: string): Queue => {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(bullQueueName(name), {
      connection: redis,
      prefix: bullPrefix(prefix, 0),
      streams: { events: { maxLen: BULL_EVENTS_KEPT } },
    });
    // What fails rejects the call that made it; an unheard "error" event would end the process.
    queue.on("error", () => undefined);
    queues.set(name, queue);
    return queue;
  };

  return {
    async add(wakes, { mostlyThere } = { mostlyThere: false }) {
      const byQueue = Map.groupBy(mostlyThere ? await missingOf(redis, prefix, wakes) : wakes, ({ queue }) => queue);
      await Promise.all([...byQueue].map(([name, group]) => addAll(queueOf(name), group.map(bullJobOf))));
    },
    async remove(runs, names) {
      const jobIds = runs.flatMap(({ runId, lastWake }) => Array.from({ length: lastWake + 1 }, (_, wake) => jobIdOf(runId, wake)));
      for (const name of names) await removeJobs(redis, queueOf(name), jobIds);
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      queues.clear();
    },
  };
}

/**
 * A job that a worker has is locked and stays: it ends by itself, without effect. BullMQ's own event stream names jobs, so their entries
 * go, too; it is short.
 */
async function removeJobs(redis: Redis, queue: Queue, jobIds: readonly string[]): Promise<void> {
  const pipeline = redis.pipeline();
  for (const jobId of jobIds) pipeline.exists(queue.toKey(jobId));
  const there = (await pipeline.exec()) ?? [];
  for (const [index, jobId] of jobIds.entries()) if (there[index]?.[1] === 1) await queue.remove(jobId);

  const gone = new Set(jobIds);
  const stream = queue.toKey("events");
  const entries = await redis.xrange(stream, "-", "+");
  const told = entries.filter(([, fields]) => fields.some((field) => gone.has(field))).map(([id]) => id);
  if (told.length > 0) await redis.xdel(stream, ...told);
}

/** One job without BullMQ's bulk: that makes a pipeline, which costs more than the job. */
async function addAll(queue: Queue, jobs: readonly ReturnType<typeof bullJobOf>[]): Promise<void> {
  const [job] = jobs;
  if (jobs.length === 1 && job !== undefined) await queue.add(job.name, job.data, job.opts);
  else await queue.addBulk([...jobs]);
}

async function missingOf(redis: Redis, prefix: string, wakes: readonly WakeJob[]): Promise<WakeJob[]> {
  const pipeline = redis.pipeline();
  for (const { queue, runId, wake } of wakes) pipeline.exists(bullJobKey(prefix, queue, jobIdOf(runId, wake)));
  const there = (await pipeline.exec()) ?? [];
  // What could not be asked is offered: adding a job that is there does nothing.
  return wakes.filter((_wake, index) => there[index]?.[1] !== 1);
}

function bullJobOf(wake: WakeJob): { name: string; data: JobData; opts: JobsOptions } {
  return {
    name: wake.agent,
    data: { v: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR, runId: wake.runId, wake: wake.wake },
    opts: {
      jobId: jobIdOf(wake.runId, wake.wake),
      removeOnComplete: true,
      removeOnFail: true,
      attempts: BULL_ATTEMPTS,
      backoff: { type: "exponential", delay: BULL_BACKOFF_MS },
      ...placeOf(wake),
    },
  };
}

function placeOf({ continuation, priority }: WakeJob): Pick<JobsOptions, "lifo" | "priority"> {
  if (continuation || priority === "high") return { lifo: true };
  return priority === "low" ? { priority: LOW_PRIORITY } : {};
}
