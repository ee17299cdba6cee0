/** How long the fleet's model calls take, by day, tenant, agent, version and model. */
import type { Clock } from "../clock.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { LATENCY, numbersOf } from "../protocol/totals.ts";
import { readTotals, type TotalsDimension, type TotalsFilter } from "./totals.ts";

export type StatsQuery = TotalsFilter;

/** With the dimensions that were asked for. `*` stands for everything beyond what one day can tell apart. */
export type StatsRow = Latencies & { readonly [Name in TotalsDimension]?: string };

export interface Latencies {
  readonly calls: number;
  /** Of a model call, with the waits and retries inside it. Read from buckets: right within 19 % from 50 ms up to 27 minutes. */
  readonly latencyP50Ms?: number;
  readonly latencyP95Ms?: number;
}

export interface StatsReport {
  readonly from: string;
  readonly to: string;
  /** In the order of days, then with the most calls first. */
  readonly rows: readonly StatsRow[];
  readonly total: Latencies;
}

interface StatsDeps {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly tenant: string | undefined;
}

/** @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE. */
export async function readStats(deps: StatsDeps, query: StatsQuery): Promise<StatsReport> {
  const { from, to, groups, sum } = await readTotals(deps, { by: ["agent", "version"], ...query });
  const rows = groups.map(({ names, numbers }) => ({ ...names, ...latenciesOf(numbers) }));
  return {
    from,
    to,
    rows: rows.toSorted((a, b) => (a.day ?? "").localeCompare(b.day ?? "") || b.calls - a.calls),
    total: latenciesOf(sum),
  };
}

function latenciesOf(numbers: readonly number[]): Latencies {
  const { calls, latencies } = numbersOf(numbers);
  const [latencyP50Ms, latencyP95Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.95)];
  return { calls, ...(latencyP50Ms === undefined || latencyP95Ms === undefined ? {} : { latencyP50Ms, latencyP95Ms }) };
}

/** The middle of the bucket in which the call of that rank is; where a bucket has no other end, the one that it has. */
export function percentile(counts: readonly number[], share: number): number | undefined {
  const rank = Math.max(1, Math.ceil(share * counts.reduce((sum, count) => sum + count, 0)));
  let passed = 0;
  const bucket = counts.findIndex((count) => (passed += count) >= rank);
  if (bucket < 0) return undefined;
  if (bucket === 0) return LATENCY.firstMs;
  const isOpen = bucket === LATENCY.buckets - 1;
  return Math.round(LATENCY.firstMs * 2 ** ((isOpen ? bucket - 1 : bucket - 0.5) / LATENCY.perDoubling));
}
