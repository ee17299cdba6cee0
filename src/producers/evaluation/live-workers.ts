/** Whether anybody works for an evaluation. Without a live worker nothing moves, not even a run's deadline, which workers see to. */
import type { Clock } from "../../clock.ts";
import { FleetError } from "../../protocol/errors.ts";
import { ANNOUNCE_EVERY_MS, GONE_AFTER_MS, type WorkerEntry } from "../../protocol/registry.ts";
import type { RunStore } from "../../protocol/run-store.ts";

/** Agents without a live worker for so long will not get one by themselves. */
export const NO_WORKER_AFTER_MS = 30_000;

export interface WorkerWatch extends Disposable {
  /** Aborts with a FleetError WORKERS_GONE as its reason. */
  readonly signal: AbortSignal;
}

interface WatchDeps {
  readonly store: Pick<RunStore, "workers">;
  readonly clock: Clock;
  /** Is told once whenever agents have no live worker any more. */
  readonly onMissing: (agents: readonly string[]) => void;
}

/** Looks again and again, at once first. */
export function watchWorkers(deps: WatchDeps, agents: readonly string[]): WorkerWatch {
  const ended = new AbortController();
  const stop = new AbortController();
  void look(deps, [...new Set(agents)], ended, stop.signal);
  return { signal: ended.signal, [Symbol.dispose]: () => stop.abort() };
}

interface Sign {
  readonly seenAtMs: number;
  /** When it changed, by the clock here. */
  readonly metAtMs: number;
}

/**
 * A worker dates its signs by its own clock, which may be far from the one here: what shows that it lives is that they change. Only the first
 * one has to be believed.
 */
function meet(signs: Map<string, Sign>, { workerId, seenAtMs }: WorkerEntry, nowMs: number): boolean {
  const before = signs.get(workerId);
  if (before === undefined) signs.set(workerId, { seenAtMs, metAtMs: Math.min(seenAtMs, nowMs) });
  else if (before.seenAtMs !== seenAtMs) signs.set(workerId, { seenAtMs, metAtMs: nowMs });
  return (signs.get(workerId)?.metAtMs ?? 0) > nowMs - GONE_AFTER_MS;
}

async function look({ store, clock, onMissing }: WatchDeps, agents: readonly string[], ended: AbortController, stop: AbortSignal) {
  const signs = new Map<string, Sign>();
  let missingSinceMs: number | undefined;
  while (!stop.aborted) {
    // A store that is away is told by whoever waits for a run.
    const workers = await store.workers().catch(() => undefined);
    const nowMs = clock.nowMs();
    const live = workers?.filter((worker) => meet(signs, worker, nowMs)).flatMap((worker) => worker.agents);
    const missing = live === undefined ? [] : agents.filter((agent) => !live.includes(agent));
    if (missing.length === 0) missingSinceMs = undefined;
    else if (missingSinceMs === undefined) onMissing(missing);
    if (missing.length > 0) missingSinceMs ??= nowMs;
    if (missingSinceMs !== undefined && nowMs - missingSinceMs >= NO_WORKER_AFTER_MS) return ended.abort(workersGone(missing));
    await clock.sleep(ANNOUNCE_EVERY_MS, stop);
  }
}

const workersGone = (agents: readonly string[]): FleetError =>
  new FleetError("WORKERS_GONE", `Expected a live worker for ${agents.join(", ")}; there was none for ${NO_WORKER_AFTER_MS / 1_000} s.`, {
    at: "--agent",
    remedy: "start one with `flotilla worker`, and take the evaluation up again with --id",
  });
