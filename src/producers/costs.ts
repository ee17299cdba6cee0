/** What the fleet's model calls cost and how long they take, by day, tenant, tag, agent, version and model. An unknown cost is counted, never taken for nothing. */
import type { Clock } from "../clock.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { latencyAt, numbersOf } from "../protocol/totals.ts";
import { readTotals, type TotalsDimension, type TotalsFilter } from "./totals.ts";

export type CostQuery = TotalsFilter;

export interface Costs {
  /** Model calls that were written down: replayed ones cost nothing and are not counted. */
  readonly calls: number;
  readonly inputTokens: number;
  /** Of the input tokens. */
  readonly cachedInputTokens: number;
  readonly cacheWriteInputTokens: number;
  readonly outputTokens: number;
  /** Of the output tokens. */
  readonly reasoningTokens: number;
  /** What the calls cost whose cost is known; absent where none is. In millionths of a US dollar. */
  readonly costMicroUsd?: number;
  /** The same by where it is known from: a proxy told it, or it was reckoned from the fleet's prices or the provider's public list. */
  readonly costBySource: { readonly proxyMicroUsd: number; readonly pricesMicroUsd: number };
  /** Calls whose cost nobody knows. */
  readonly unknownCostCalls: number;
  /** Of a model call, with the waits and retries inside it. Read from buckets: right within 19 % from 50 ms up to 27 minutes. */
  readonly latencyP50Ms?: number;
  readonly latencyP95Ms?: number;
}

/** With the dimensions that were asked for. `*` stands for everything beyond what one day can tell apart. */
export type CostRow = Costs & { readonly [Name in TotalsDimension]?: string };

export interface CostReport {
  readonly from: string;
  readonly to: string;
  /** The dearest first; with days, in their order. By tag, a call counts for each tag of its run, and for the empty one where there is none. */
  readonly rows: readonly CostRow[];
  /** Each call once. */
  readonly total: Costs;
}

interface CostDeps {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly tenant: string | undefined;
}

/** @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE. */
export async function readCosts(deps: CostDeps, query: CostQuery): Promise<CostReport> {
  const { from, to, groups, sum } = await readTotals(deps, { by: ["agent", "model"], ...query });
  const rows = groups.map(({ names, numbers }) => ({ ...names, ...costsOf(numbers) }));
  return { from, to, rows: rows.toSorted(inOrder), total: costsOf(sum) };
}

function costsOf(numbers: readonly number[]): Costs {
  const { latencies, proxyMicroUsd, pricesMicroUsd, ...counts } = numbersOf(numbers);
  const [latencyP50Ms, latencyP95Ms] = [latencyAt(latencies, 0.5), latencyAt(latencies, 0.95)];
  return {
    ...counts,
    ...(counts.unknownCostCalls === counts.calls ? {} : { costMicroUsd: proxyMicroUsd + pricesMicroUsd }),
    costBySource: { proxyMicroUsd, pricesMicroUsd },
    ...(latencyP50Ms === undefined || latencyP95Ms === undefined ? {} : { latencyP50Ms, latencyP95Ms }),
  };
}

const inOrder = (a: CostRow, b: CostRow): number =>
  (a.day ?? "").localeCompare(b.day ?? "") || (b.costMicroUsd ?? 0) - (a.costMicroUsd ?? 0) || b.calls - a.calls;
