/** Order statistics of samples. Nearest rank: a value that was measured, never one between two. */
export function quantile(samples: readonly number[], q: number): number {
  if (samples.length === 0) throw new Error("Expected at least one sample.");
  const sorted = [...samples].sort((a, b) => a - b);
  return round(sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN);
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** Two digits behind the point: what is left is noise. */
export const round = (value: number): number => Math.round(value * 100) / 100;

export const spread = (samples: readonly number[]): { readonly p50: number; readonly p99: number } => ({
  p50: quantile(samples, 0.5),
  p99: quantile(samples, 0.99),
});
