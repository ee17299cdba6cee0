/** A clock that stands still until the test moves it. Sleepers wake in the order of their times. */
import type { Clock } from "../clock.ts";

export interface VirtualClock extends Clock {
  /** Moves time on and wakes whoever slept until then. */
  advance(ms: number): Promise<void>;
  /** Moves time to the next sleeper, if there is one. */
  advanceToNext(): Promise<boolean>;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** @param startMs epoch milliseconds at which the clock stands. Default 1 700 000 000 000. */
export function createVirtualClock(startMs = 1_700_000_000_000): VirtualClock {
  let nowMs = startMs;
  const sleepers = new Set<Sleeper>();
  const advanceTo = async (targetMs: number): Promise<void> => {
    for (;;) {
      const next = [...sleepers].sort((a, b) => a.atMs - b.atMs).find(({ atMs }) => atMs <= targetMs);
      if (next === undefined) break;
      nowMs = Math.max(nowMs, next.atMs);
      next.wake();
      await settleMicrotasks();
    }
    nowMs = Math.max(nowMs, targetMs);
  };
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper: Sleeper = { atMs: nowMs + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake, { once: true });
      }),
    advance: (ms) => advanceTo(nowMs + ms),
    async advanceToNext() {
      const atMs = Math.min(...[...sleepers].map((sleeper) => sleeper.atMs));
      if (!Number.isFinite(atMs)) return false;
      await advanceTo(atMs);
      return true;
    },
  };
}

/** Lets what was just woken run until it waits again. */
export const settleMicrotasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
