/**
 * Keeps the leases of held runs alive from a thread of its own: a main loop that is busy for a second loses nothing; one that hangs stops
 * ticking, and then the leases lapse and another worker takes over. Leases are the only authority on who holds a run: BullMQ's locks are
 * long and never renewed (docs/decisions/0003-leases-not-locks.md), because their renewal is refused when Redis' memory is full.
 */
import { Worker } from "node:worker_threads";
import type { HeldRun, StopReason } from "../protocol/attempt.ts";
import type { RunStore } from "../protocol/run-store.ts";

export interface HeartbeatOptions {
  /**
   * End the process when its main loop hangs for two leases. Its runs are taken over then, and a tool that wakes up later would act beside
   * them. For processes that are a worker and nothing else.
   */
  readonly endStalledProcess: boolean;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly leaseMs: number;
}

export interface ThreadData extends HeartbeatOptions {
  /** [0]: ticks of the main loop. */
  readonly ticks: Int32Array<SharedArrayBuffer>;
}

export type ToThread = { readonly type: "held"; readonly held: readonly HeldRun[] } | { readonly type: "close" };
export type FromThread =
  | { readonly type: "told"; readonly told: readonly ToldRun[] }
  | { readonly type: "errored"; readonly message: string };

/** A held run that must not go on, and why. */
export interface ToldRun extends HeldRun {
  readonly why: StopReason | "superseded";
}

export interface Heartbeat {
  update(held: readonly HeldRun[]): void;
  close(): Promise<void>;
}

const tickEveryMs = (leaseMs: number): number => Math.max(50, Math.floor(leaseMs / 12));

/** After how many leases without a tick a stalled process ends. */
export const STALLED_LEASES = 2;

/** A beat is due three times per lease, so that two may be lost. */
export const beatEveryMs = (leaseMs: number): number => Math.floor(leaseMs / 3);

/**
 * Renews, and tells what was lost or asked to stop by run and token: a process may hold a run's next wake, or may still wind up an attempt
 * that lost the run, while it renews another attempt at the same run.
 */
export async function renewHeld(store: Pick<RunStore, "renew">, held: readonly HeldRun[], leaseMs: number): Promise<ToldRun[]> {
  const told: ToldRun[] = [];
  let rest = held;
  while (rest.length > 0) {
    const batch = [...new Map(rest.map((run) => [run.runId, run])).values()];
    const { lost, stopped } = await store.renew(batch, leaseMs);
    const reasons = new Map<string, ToldRun["why"]>([
      ...stopped.map(({ runId, reason }) => [runId, reason] as const),
      ...lost.map((runId) => [runId, "superseded"] as const),
    ]);
    for (const { runId, token } of batch) {
      const why = reasons.get(runId);
      if (why !== undefined) told.push({ runId, token, why });
    }
    rest = rest.filter((run) => !batch.includes(run));
  }
  return told;
}

/** How long the thread may take to end by itself: its request waits for a Redis that is away. Milliseconds. */
const THREAD_CLOSE_MS = 1_000;

export function startHeartbeat(
  options: HeartbeatOptions,
  onTold: (told: readonly ToldRun[]) => void,
  onError: (message: string) => void,
): Heartbeat {
  const ticks = new Int32Array(new SharedArrayBuffer(4));
  // The file beside this one, whether it runs from source or from the build.
  const file = new URL(`./heartbeat-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const thread = new Worker(file, { workerData: { ...options, ticks } satisfies ThreadData });
  const exited = new Promise((resolve) => thread.once("exit", resolve));
  thread.on("message", (message: FromThread) => (message.type === "told" ? onTold(message.told) : onError(message.message)));
  thread.on("error", (error) => onError(error.message));
  const send = (message: ToThread): void => thread.postMessage(message);
  let news: readonly HeldRun[] | undefined;
  // A run's first lease is set by its begin, so the thread need not hear of it at once: one message a tick, whatever the load.
  const ticking = setInterval(() => {
    Atomics.add(ticks, 0, 1);
    if (news !== undefined) send({ type: "held", held: news.map(({ runId, token }) => ({ runId, token })) });
    news = undefined;
  }, tickEveryMs(options.leaseMs));
  return {
    update: (held) => {
      news = held;
    },
    async close() {
      clearInterval(ticking);
      send({ type: "close" });
      const overdue = setTimeout(() => void thread.terminate(), THREAD_CLOSE_MS);
      await exited;
      clearTimeout(overdue);
    },
  };
}
