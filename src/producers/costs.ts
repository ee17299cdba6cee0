/** What the fleet's model calls cost, by day, tenant, agent, version and model. An unknown cost is counted, never taken for nothing. */
import { z } from "zod";
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import { tenantSchema } from "../protocol/ids.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { addNumbers, DAY_MS, dayOf, daySchema, numbersOf, TOTALS, type TotalsRow } from "../protocol/totals.ts";
import { reach } from "./backend.ts";

export const COST_DIMENSIONS = ["day", "tenant", "agent", "version", "model"] as const;
export type CostDimension = (typeof COST_DIMENSIONS)[number];

const querySchema = z.strictObject({
  /** The first and the last day in UTC, such as `2026-11-22`. Default: the last seven days, today included. */
  from: daySchema.optional(),
  to: daySchema.optional(),
  /** What rows are told apart by. Default: agent and model. */
  by: z.array(z.enum(COST_DIMENSIONS)).max(COST_DIMENSIONS.length).optional(),
  /** Only this tenant's. Default: the producer's own tenant, if it has one. */
  tenant: tenantSchema.optional(),
});
export type CostQuery = Readonly<z.input<typeof querySchema>>;

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
  /** The same by where it is known from: a proxy told it, or it was reckoned from the fleet's price table. */
  readonly costBySource: { readonly proxyMicroUsd: number; readonly pricesMicroUsd: number };
  /** Calls whose cost nobody knows. */
  readonly unknownCostCalls: number;
}

/** With the dimensions that were asked for. `*` stands for everything beyond what one day can tell apart. */
export type CostRow = Costs & { readonly [Name in CostDimension]?: string };

export interface CostReport {
  readonly from: string;
  readonly to: string;
  /** The dearest first; with days, in their order. */
  readonly rows: readonly CostRow[];
  readonly total: Costs;
}

const DEFAULT_DAYS = 7;

interface CostDeps {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly tenant: string | undefined;
}

/** @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE. */
export async function readCosts({ store, clock, tenant: own }: CostDeps, query: CostQuery): Promise<CostReport> {
  const { by = ["agent", "model"], tenant = own, ...days } = parseQuery(query);
  const { to = dayOf(clock.nowMs()) } = days;
  const { from = dayOf(Date.parse(to) - (DEFAULT_DAYS - 1) * DAY_MS) } = days;
  checkRange(from, to);
  const found = (await reach(store.totals({ from, to }))).filter((row) => tenant === undefined || row.tenant === tenant);
  const groups = Map.groupBy(found, (row) => JSON.stringify(by.map((name) => row[name])));
  const rows = [...groups.values()].map((group) => ({ ...namesOf(group[0], by), ...sumOf(group) }));
  return { from, to, rows: rows.toSorted(inOrder), total: sumOf(found) };
}

const namesOf = (row: TotalsRow | undefined, by: readonly CostDimension[]): { [Name in CostDimension]?: string } =>
  Object.fromEntries(by.map((name) => [name, row?.[name] ?? ""]));

function sumOf(rows: readonly TotalsRow[]): Costs {
  const sum = rows.reduce<readonly number[]>((total, { numbers }) => addNumbers(total, numbers), []);
  const { latencies: _latencies, proxyMicroUsd, pricesMicroUsd, ...counts } = numbersOf(sum);
  return {
    ...counts,
    ...(counts.unknownCostCalls === counts.calls ? {} : { costMicroUsd: proxyMicroUsd + pricesMicroUsd }),
    costBySource: { proxyMicroUsd, pricesMicroUsd },
  };
}

const inOrder = (a: CostRow, b: CostRow): number =>
  (a.day ?? "").localeCompare(b.day ?? "") || (b.costMicroUsd ?? 0) - (a.costMicroUsd ?? 0) || b.calls - a.calls;

function parseQuery(query: CostQuery): z.output<typeof querySchema> {
  const parsed = querySchema.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.map(String).join(".") || "query";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${issue?.message ?? "not valid"}.`, {
    at,
    remedy: `give days such as "2026-11-22", and by: any of ${COST_DIMENSIONS.join(", ")}`,
  });
}

function checkRange(from: string, to: string): void {
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  if (days >= 1 && days <= TOTALS.keepDays) return;
  throw new FleetError("INPUT_INVALID", `Expected from 1 to ${TOTALS.keepDays} days; got ${from} to ${to}.`, {
    at: "from",
    remedy: `totals are kept for ${TOTALS.keepDays} days`,
  });
}
