/**
 * Looks after runs that nobody holds (I3): a queued run whose job is gone gets it back, a dead attempt's run is taken over, a lane or a
 * delay that is over resumes, a deadline ends its run. Every worker runs one; the store lets each run be looked at once.
 */
import type { Clock } from "../clock.ts";
import type { RunStore, WakeQueue } from "../protocol/run-store.ts";
import type { Log } from "../telemetry/log.ts";

export interface ReconcilerOptions {
  readonly retentionMs: number;
  readonly maxDeaths: number;
  /** The longest pause between two looks. Default 1 000 ms. */
  readonly everyMs?: number;
}

const LOOKS_AT_ONCE = 500;
const SWEEP_AT_ONCE = 200;
const SWEEP_EVERY_MS = 30_000;

export interface Reconciler {
  close(): Promise<void>;
}

export interface ReconcilerDeps {
  readonly store: RunStore;
  readonly queue: WakeQueue;
  readonly clock: Clock;
  readonly log: Log;
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
  while (!signal.aborted) {
    let pauseMs = options.everyMs ?? 1_000;
    try {
      pauseMs = Math.min(pauseMs, await reconcile(deps, options));
      if (clock.nowMs() >= sweepAtMs) {
        await deps.store.sweep(SWEEP_AT_ONCE);
        sweepAtMs = clock.nowMs() + SWEEP_EVERY_MS;
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

/** One round. Returns how long until the next is due, in milliseconds. */
export async function reconcile({ store, queue, clock }: ReconcilerDeps, options: ReconcilerOptions): Promise<number> {
  const { runIds, nextAtMs } = await store.due(LOOKS_AT_ONCE);
  const wakes = await Promise.all(runIds.map((runId) => store.look(runId, options)));
  const missing = wakes.filter((wake) => wake !== undefined);
  if (missing.length > 0) await queue.add(missing);
  if (runIds.length === LOOKS_AT_ONCE) return 0;
  return nextAtMs === undefined ? Number.POSITIVE_INFINITY : Math.max(10, nextAtMs - clock.nowMs());
}
