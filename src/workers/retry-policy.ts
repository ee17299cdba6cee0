/**
 * When a failed attempt is made again. Pure: the caller gives the time and the chance.
 *
 * | retry | wait (ms), before jitter |
 * | ----- | ------------------------ |
 * | 1     | 1 000                    |
 * | 2     | 2 000                    |
 * | 3     | 4 000                    |
 * | 7     | 60 000 (the cap)         |
 */

export const RETRY_POLICY = {
  /** Retries of one hop before the run fails for good. */
  maxRetries: 8,
  /** Workers in a row that may take a hop without holding its agent, such as while a deploy is under way: about half an hour. */
  maxMisplaced: 30,
  /** A bad answer is sampled anew so often. */
  maxResamples: 2,
  firstDelayMs: 1_000,
  maxDelayMs: 60_000,
  /** A rate-limited call waits this long in its slot; a longer wait gives the slot back. */
  waitInSlotMs: 5_000,
} as const;

/** Exponential, with "equal jitter": between half and all of the step, so that a fleet's retries spread. */
export function retryDelayMs(retries: number, random: number, retryAfterMs = 0): number {
  const step = Math.min(RETRY_POLICY.maxDelayMs, RETRY_POLICY.firstDelayMs * 2 ** retries);
  return Math.max(retryAfterMs, Math.round(step / 2 + (step / 2) * random));
}

/** A lane's runs wake one after the other, never all at `retry-after`: up to a quarter of the wait is added by chance. */
export const laneDelayMs = (retryAfterMs: number, random: number): number =>
  Math.round(retryAfterMs * (1 + 0.25 * random)) + Math.round(250 * random);
