/**
 * The runs this process has in its hands: what the heartbeat renews, a cancel stops and a shutdown releases.
 */
import type { AbortReason } from "../agents/ports.ts";

export interface HeldRun {
  readonly runId: string;
  readonly token: string;
  readonly signal: AbortSignal;
  /** The first reason counts. */
  readonly aborted: () => AbortReason | undefined;
  readonly abort: (reason: AbortReason) => void;
  /** A durable step was finished; a draining worker, and whoever holds a paused run, lets go of it here. */
  readonly stepped: (isPaused: boolean) => void;
  /** Model calls and tool effects that are under way: letting go would pay the ones again and leave the others unknown. */
  readonly open: Set<string>;
}

export interface HeldRuns {
  readonly size: number;
  hold(runId: string, token: string): HeldRun;
  release(held: HeldRun): void;
  all(): HeldRun[];
  /** @param token only the attempt of this token; without it, every attempt at the run */
  abort(runId: string, reason: AbortReason, token?: string): void;
  /** From now on each run is let go at the end of its present step. */
  drain(): void;
  readonly isDraining: boolean;
  /** Resolves when nothing is held. */
  idle(): Promise<void>;
}

export function createHeldRuns(onChange: (held: readonly HeldRun[]) => void): HeldRuns {
  const held = new Set<HeldRun>();
  let draining = false;
  let waiters: Array<() => void> = [];
  const changed = (): void => {
    onChange([...held]);
    if (held.size > 0) return;
    for (const resolve of waiters) resolve();
    waiters = [];
  };
  return {
    get size() {
      return held.size;
    },
    hold(runId, token) {
      const controller = new AbortController();
      let reason: AbortReason | undefined;
      const run: HeldRun = {
        runId,
        token,
        signal: controller.signal,
        open: new Set(),
        aborted: () => reason,
        abort(why) {
          if (reason !== undefined) return;
          reason = why;
          controller.abort(why);
        },
        stepped(isPaused) {
          if (run.open.size > 0) return;
          if (draining) run.abort("shutdown");
          else if (isPaused) run.abort("paused");
        },
      };
      held.add(run);
      changed();
      return run;
    },
    release(run) {
      held.delete(run);
      changed();
    },
    all: () => [...held],
    abort(runId, reason, token) {
      for (const run of held) if (run.runId === runId && (token === undefined || run.token === token)) run.abort(reason);
    },
    get isDraining() {
      return draining;
    },
    drain() {
      draining = true;
    },
    idle: () => (held.size === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
  };
}
