/**
 * A worker process' share of the fleet: BullMQ workers for its queues, one heartbeat, one reconciler, one announcement.
 * It binds; the work is in `process-wake.ts`.
 */
import { hostname } from "node:os";
import { DelayedError, type Job, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Catalog } from "../agents/catalog.ts";
import { inTime } from "../clock.ts";
import { jobDataSchema, PROTOCOL_MINOR } from "../protocol/job.ts";
import { ANNOUNCE_EVERY_MS, type AgentEntry, type WorkerEntry } from "../protocol/registry.ts";
import { FleetError } from "../protocol/errors.ts";
import { bullLockKey, bullPrefix, bullQueueName } from "../redis/keys.ts";
import { RELEASE } from "../release.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import type { HeldReport } from "./held-report.ts";
import { createHeldRuns } from "./held-runs.ts";
import { openMcpPool } from "./mcp-pool.ts";
import { processWake, type WakeDeps, type WakeOptions } from "./process-wake.ts";
import { startReconciler } from "./reconciler.ts";
import { letGo } from "./shutdown.ts";

export interface WorkerOptions extends WakeOptions {
  /** The queues to serve. Default: every queue that an agent of the fleet names. */
  readonly queues?: readonly string[];
  /** Runs at once in this process, over all its queues. Default 20: a run mostly waits for its model. */
  readonly concurrency: number;
  /** End the process when its main loop hangs for two leases: for processes that are a worker and nothing else. Default false. */
  readonly endStalledProcess?: boolean;
  /** Told what is held, so that a supervisor can take it back when this process dies. */
  readonly report?: HeldReport;
}

export const WORKER_DEFAULTS = {
  concurrency: 20,
  leaseMs: 5_000,
  retentionMs: 7 * 24 * 60 * 60 * 1_000,
  maxDeaths: 5,
  shutdownGraceMs: 25_000,
} as const;

export interface FleetWorker extends AsyncDisposable {
  readonly workerId: string;
  readonly queues: readonly string[];
  /** Resolves when the worker is closed, by whomever. */
  readonly closed: Promise<void>;
  /** Stops taking, finishes durable steps for `graceMs` (default 25 000), releases the rest. Twice: releases at once. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

export interface FleetWorkerDeps extends Omit<WakeDeps, "held" | "workerId" | "options"> {
  readonly redisUrl: string;
  readonly prefix: string;
  /** A connection for BullMQ: its requests wait for Redis for ever. BullMQ duplicates it for blocking. Owned by the caller. */
  readonly redis: Redis;
}

/**
 * BullMQ's lock guards only the moment between taking a job and beginning its run: a process that dies there leaves a queued run whose job
 * is "active", and BullMQ gives the job out again. From then on the run's lease says who holds it, and the lock is put out of the way.
 * Milliseconds.
 */
const TAKING_LOCK_MS = 3_000;
const TAKING_CHECK_MS = 2_500;
const BEGUN_LOCK_MS = 60 * 60 * 1_000;
/** A job of a newer minor is put back for a worker that knows it. Milliseconds. */
const NEWER_MINOR_DELAY_MS = 5_000;
/** How long each step of closing may take. Milliseconds. */
const CLOSE_MS = 2_000;

export async function startFleetWorker(deps: FleetWorkerDeps, options: WorkerOptions): Promise<FleetWorker> {
  const { clock, log, catalog, store, redisUrl, prefix } = deps;
  const queues = options.queues ?? [...new Set([...catalog.values()].map(({ queue }) => queue))];
  checkOptions(queues, options.concurrency, catalog);
  const workerId = `${hostname()}-${process.pid}-${clock.nowMs().toString(36)}`;
  let heartbeat: Heartbeat | undefined;
  const held = createHeldRuns((runs) => {
    heartbeat?.update(runs);
    options.report?.held(runs);
  });
  heartbeat = startHeartbeat(
    { redisUrl, prefix, leaseMs: options.leaseMs, endStalledProcess: options.endStalledProcess === true },
    (told) => {
      for (const { runId, token, why } of told) held.abort(runId, why, token);
    },
    (message) => log.warn({ event: "heartbeat.errored", message }, "leases could not be renewed; it goes on trying"),
  );
  const wakeDeps: WakeDeps = { ...deps, held, workerId, options };
  const mcp = await openMcpPool(catalog, clock, log);
  const unwatch = await store.watchStops((runId, reason) => held.abort(runId, reason));
  const announce = announcer(wakeDeps, queues, options.concurrency, () => held.size);
  await announce.now();
  options.report?.started({ workerId, retentionMs: options.retentionMs, maxDeaths: options.maxDeaths });
  const reconciler = startReconciler(deps, options);
  const bullWorkers = queues.map((queue, index) => bindQueue(deps, wakeDeps, queue, shareOf(options.concurrency, queues.length, index)));
  await Promise.all(bullWorkers.map((worker) => worker.waitUntilReady()));

  const done = Promise.withResolvers<void>();
  let closing: Promise<void> | undefined;
  const close = async (graceMs: number): Promise<void> => {
    const paused = Promise.all(bullWorkers.map((worker) => inTime(clock, worker.pause(true), CLOSE_MS)));
    await letGo(held, clock, graceMs);
    await paused;
    announce.stop();
    // Side by side: with Redis away each waits to its end, and a supervisor kills after 30 s.
    const upkeep = [reconciler.close(), heartbeat.close(), unwatch(), mcp.close(), store.withdraw(workerId)];
    await Promise.all([...bullWorkers.map((worker) => worker.close()), ...upkeep].map((step) => inTime(clock, step, CLOSE_MS)));
    log.info({ event: "worker.closed", workerId }, "worker closed");
    done.resolve();
  };
  log.info({ event: "worker.started", workerId, queues, slots: options.concurrency, agents: [...catalog.keys()] }, "worker started");
  const worker: FleetWorker = {
    workerId,
    queues,
    closed: done.promise,
    async close({ graceMs = WORKER_DEFAULTS.shutdownGraceMs } = {}) {
      if (closing !== undefined) for (const run of held.all()) run.abort("shutdown");
      closing ??= close(graceMs);
      await closing;
    },
    async [Symbol.asyncDispose]() {
      await worker.close();
    },
  };
  return worker;
}

function checkOptions(queues: readonly string[], concurrency: number, catalog: Catalog): void {
  const known = new Set([...catalog.values()].map(({ queue }) => queue));
  const wrong = queues.find((queue) => !known.has(queue));
  if (wrong !== undefined) {
    throw new FleetError("INPUT_INVALID", `No agent of this fleet lives on queue "${wrong}"; its queues are ${[...known].join(", ")}.`, {
      at: "queues",
      remedy: "serve one of those, or give an agent this queue",
    });
  }
  if (!Number.isInteger(concurrency) || concurrency < queues.length) {
    throw new FleetError(
      "INPUT_INVALID",
      `Expected concurrency to be a whole number of at least ${queues.length} (one slot per queue); got ${concurrency}.`,
      {
        at: "concurrency",
        remedy: "raise it, or serve fewer queues in this process",
      },
    );
  }
}

/** One limit per process: its slots are dealt out over its queues. */
const shareOf = (slots: number, queues: number, index: number): number => Math.floor(slots / queues) + (index < slots % queues ? 1 : 0);

function bindQueue({ redis, prefix, log }: FleetWorkerDeps, wakeDeps: WakeDeps, queue: string, concurrency: number): Worker {
  const work = async (job: Job, token: string | undefined): Promise<void> => {
    let begun: NodeJS.Timeout | undefined;
    const outOfTheWay = (): void => {
      // Where it fails, the job comes again and ends without effect.
      void redis.pexpire(bullLockKey(prefix, queue, job.id ?? ""), BEGUN_LOCK_MS).catch(() => undefined);
    };
    try {
      // An attempt that ends within its job's lock need not touch it.
      await takeJob(wakeDeps, job, token, () => {
        begun = setTimeout(outOfTheWay, TAKING_LOCK_MS / 3);
      });
    } finally {
      clearTimeout(begun);
    }
  };
  const worker = new Worker(bullQueueName(queue), work, {
    connection: redis,
    prefix: bullPrefix(prefix, 0),
    concurrency,
    lockDuration: TAKING_LOCK_MS,
    stalledInterval: TAKING_CHECK_MS,
    skipLockRenewal: true,
    // A stalled job is only a late wake-up; it must never be failed by BullMQ's count, which the run would not hear of.
    maxStalledCount: Number.MAX_SAFE_INTEGER,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  // The client tells each failed reconnect: one line for each reason and outage is enough.
  const told = new Set<string>();
  redis.on("ready", () => told.clear());
  worker.on("error", (err) => {
    // The job's end was sent twice around an outage, or came after another worker had taken it. The run was settled under its lease.
    if (/^Missing (?:key|lock) for job/.test(err.message)) {
      log.debug({ event: "job.gone", queue, err }, "a job was gone when its work ended");
      return;
    }
    if (told.has(err.message)) return;
    told.add(err.message);
    log.warn({ event: "queue.errored", queue, err }, "the queue's connection has trouble; it goes on trying");
  });
  return worker;
}

async function takeJob(deps: WakeDeps, job: Job, token: string | undefined, onBegun: () => void): Promise<void> {
  if (deps.held.isDraining) {
    // BullMQ's blocked fetch outlives its pause: what it still brings goes back for another worker.
    await job.moveToWait(token);
    throw new WaitingError();
  }
  const data = jobDataSchema.safeParse(job.data);
  if (!data.success) {
    deps.log.error({ event: "job.refused", code: "JOB_INVALID", jobId: job.id }, "a job on this queue is not one of ours; it is dropped");
    return;
  }
  if (data.data.minor > PROTOCOL_MINOR) {
    await job.moveToDelayed(deps.clock.nowMs() + NEWER_MINOR_DELAY_MS, token);
    throw new DelayedError();
  }
  await processWake(deps, { runId: data.data.runId, wake: data.data.wake, agent: job.name }, onBegun);
}

function announcer({ store, clock, catalog, workerId, log }: WakeDeps, queues: readonly string[], slots: number, busy: () => number) {
  const startedAtMs = clock.nowMs();
  const stopping = new AbortController();
  const now = async (): Promise<void> => {
    const seenAtMs = clock.nowMs();
    const served = [...catalog.values()].filter(({ queue }) => queues.includes(queue));
    const worker: WorkerEntry = {
      v: 1,
      workerId,
      host: hostname(),
      pid: process.pid,
      queues: [...queues],
      agents: served.map(({ name }) => name),
      slots,
      busy: busy(),
      startedAtMs,
      seenAtMs,
      release: RELEASE,
    };
    const agents: AgentEntry[] = served.map(({ name, queue, version, description }) => ({
      v: 1,
      name,
      queue,
      version,
      description,
      seenAtMs,
    }));
    await store.announce(worker, agents);
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await clock.sleep(ANNOUNCE_EVERY_MS, stopping.signal);
      if (!stopping.signal.aborted)
        await now().catch((err: unknown) => log.debug({ event: "announce.errored", err }, "announcement failed"));
    }
  };
  void loop();
  return { now, stop: () => stopping.abort() };
}
