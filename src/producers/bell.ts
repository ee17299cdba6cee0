/** Waits for a notification that may be lost: a ring ends the wait, and so does the slow poll. */
import type { Clock } from "../clock.ts";

/** How long a lost notification can delay a follower. */
export const FALLBACK_POLL_MS = 5_000;

export interface Bell {
  ring(): void;
  /** Resolves at the next ring, or at once if it rang since the last wait. True when it rang, false when the poll was due. */
  wait(): Promise<boolean>;
}

export function createBell(clock: Clock): Bell {
  let rang = false;
  let wakeUp: AbortController | undefined;
  return {
    ring() {
      rang = true;
      wakeUp?.abort();
    },
    async wait() {
      if (!rang) {
        wakeUp = new AbortController();
        await clock.sleep(FALLBACK_POLL_MS, wakeUp.signal);
        wakeUp = undefined;
      }
      const wasRung = rang;
      rang = false;
      return wasRung;
    },
  };
}
