/** Percentiles of times that were measured one by one. */

export interface Percentiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** By nearest rank, so each is a time that was measured. Undefined of nothing. */
export function percentilesOf(valuesMs: readonly number[]): Percentiles | undefined {
  const sorted = valuesMs.toSorted((a, b) => a - b);
  const [p50Ms, p95Ms, p99Ms] = [0.5, 0.95, 0.99].map((share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]);
  return p50Ms === undefined || p95Ms === undefined || p99Ms === undefined ? undefined : { p50Ms, p95Ms, p99Ms };
}
