/**
 * Looks after runs that nobody holds (I3): a queued run whose job is gone gets it back, a dead attempt's run is taken over, a lane or a
 * delay that is over resumes, a deadline ends its run. Every worker runs one; the store lets each run be looked at once.
 */
import type { Clock } from "../clock.ts";
import { jobIdOf } from "../protocol/ids.ts";
import type { WakeJob } from "../protocol/job.ts";
import type { PauseScope } from "../protocol/pause.ts";
import type { Retention } from "../protocol/retention.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { WakeQueue } from "../protocol/wake-queue.ts";
import type { Log } from "../telemetry/log.ts";
import { announceApprovals, type FleetHooks } from "./announce-approvals.ts";

export interface ReconcilerOptions {
  readonly retentionMs: Retention;
  readonly maxDeaths: number;
  /** The longest pause between two looks. Default 1 000 ms. */
  readonly everyMs?: number;
}

const LOOKS_AT_ONCE = 500;
/** Between two full pages of due runs: a backlog is looked through at leisure, beside the work. Milliseconds. */
const FULL_PAGE_PAUSE_MS = 100;
/** Of one agent or tenant. */
const UNPARKS_AT_ONCE = 200;
const SWEEP_AT_ONCE = 200;
const SWEEP_EVERY_MS = 30_000;
const CLOCKS_APART_MS = 1_000;

export interface Reconciler {
  close(): Promise<void>;
}

export interface ReconcilerDeps {
  readonly store: RunStore;
  readonly queue: WakeQueue;
  readonly clock: Clock;
  readonly log: Log;
  readonly hooks?: FleetHooks | undefined;
}

export function startReconciler(deps: ReconcilerDeps, options: ReconcilerOptions): Reconciler {
  const closing = new AbortController();
  const running = loop(deps, options, closing.signal);
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}

async function loop(deps: ReconcilerDeps, options: ReconcilerOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  let sweepAtMs = clock.nowMs() + SWEEP_EVERY_MS;
  let complained = false;
  const owed: Owed = new Map();
  while (!signal.aborted) {
    let pauseMs = options.everyMs ?? 1_000;
    try {
      pauseMs = Math.min(pauseMs, await reconcile(deps, options, owed));
      if (clock.nowMs() >= sweepAtMs) {
        // While there is something to delete it goes on with each round: runs may end faster than a fixed share is swept.
        const swept = await deps.store.sweep(SWEEP_AT_ONCE);
        sweepAtMs = clock.nowMs() + (swept > 0 ? 0 : SWEEP_EVERY_MS);
      }
      complained = false;
    } catch (err) {
      // Said once per outage, not once per second.
      if (!complained && !signal.aborted)
        log.warn({ event: "reconciler.errored", err }, "the reconciler cannot reach the store; it goes on trying");
      complained = true;
    }
    await clock.sleep(pauseMs, signal);
  }
}

/**
 * Wakes that the queue refused, by job id. Their runs' next look may be minutes away, for a look counts as made: without this, a queue that
 * refuses now and then (memory full) would leave them lying long after it takes jobs again.
 */
export type Owed = Map<string, WakeJob>;

/** Above this the oldest are left to their runs' next look. */
const OWED_AT_MOST = 10_000;

/** One round. Returns how long until the next is due, in milliseconds. */
export async function reconcile(deps: ReconcilerDeps, options: ReconcilerOptions, owed: Owed = new Map()): Promise<number> {
  const { store, queue, clock, log } = deps;
  const { runIds, nextAtMs, resuming } = await store.due(LOOKS_AT_ONCE);
  const { rest, waiting } = (await store.glance?.(runIds)) ?? { rest: runIds, waiting: [] };
  const looks = await Promise.allSettled(rest.map((runId) => store.look(runId, options)));
  // One record that cannot be read must not keep the others from being looked after.
  const failed = looks.filter((look) => look.status === "rejected");
  if (waiting.length === 0 && failed.length === looks.length && failed[0] !== undefined) throw failed[0].reason;
  if (failed[0] !== undefined)
    log.warn({ event: "look.errored", count: failed.length, err: failed[0].reason }, "some runs cannot be looked at");
  const looked = looks.flatMap((look) => (look.status === "fulfilled" && look.value !== undefined ? [look.value] : []));
  await offer(queue, [...waiting, ...looked, ...(await unparked(store, resuming))], owed);
  // A due run that is not to be offered may wait for people who were not told yet.
  if (deps.hooks !== undefined)
    await Promise.all(rest.filter((_, index) => isSettled(looks[index])).map((id) => announceApprovals(deps, id)));
  if (resuming.length > 0) return FULL_PAGE_PAUSE_MS;
  if (runIds.length === LOOKS_AT_ONCE && failed.length === 0) return FULL_PAGE_PAUSE_MS;
  if (nextAtMs === undefined) return Number.POSITIVE_INFINITY;
  const inMs = nextAtMs - clock.nowMs();
  // The store named a time to come. Where it lies in the past, this machine's clock is ahead, and says nothing about when to look.
  return inMs < -CLOCKS_APART_MS ? Number.POSITIVE_INFINITY : Math.max(10, inMs);
}

const isSettled = (look: PromiseSettledResult<WakeJob | undefined> | undefined): boolean =>
  look?.status === "fulfilled" && look.value === undefined;

/** What a resumer left that went away in the middle. */
async function unparked(store: RunStore, resuming: readonly PauseScope[]): Promise<WakeJob[]> {
  const wakes: WakeJob[] = [];
  for (const scope of resuming) wakes.push(...(await store.unpark(scope, UNPARKS_AT_ONCE)).wakes);
  return wakes;
}

async function offer(queue: WakeQueue, wakes: readonly WakeJob[], owed: Owed): Promise<void> {
  for (const wake of wakes) owed.set(jobIdOf(wake.runId, wake.wake), wake);
  for (const jobId of owed.keys()) if (owed.size > OWED_AT_MOST) owed.delete(jobId);
  if (owed.size === 0) return;
  await queue.add([...owed.values()], { mostlyThere: true });
  owed.clear();
}
