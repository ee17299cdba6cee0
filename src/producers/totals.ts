/** The totals of the store by the days and names that are asked for. */
import { z } from "zod";
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import { tenantSchema } from "../protocol/ids.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { addNumbers, DAY_MS, dayOf, daySchema, TOTALS, type TotalsRow } from "../protocol/totals.ts";
import { reach } from "./backend.ts";

export const TOTALS_DIMENSIONS = ["day", "tenant", "tag", "agent", "version", "model"] as const;
export type TotalsDimension = (typeof TOTALS_DIMENSIONS)[number];

const filterSchema = z.strictObject({
  /** The first and the last day in UTC, such as `2026-11-22`. Default: the last seven days, today included. */
  from: daySchema.optional(),
  to: daySchema.optional(),
  /** What rows are told apart by. Default: agent and model. */
  by: z.array(z.enum(TOTALS_DIMENSIONS)).max(TOTALS_DIMENSIONS.length).optional(),
  /** Only this tenant's. Default: the producer's own tenant, if it has one. */
  tenant: tenantSchema.optional(),
});
export type TotalsFilter = Readonly<z.input<typeof filterSchema>>;

interface TotalsDeps {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly tenant: string | undefined;
}

export interface TotalsGroup {
  readonly names: { readonly [Name in TotalsDimension]?: string };
  readonly numbers: readonly number[];
}

interface Totals {
  readonly from: string;
  readonly to: string;
  readonly groups: readonly TotalsGroup[];
  readonly sum: readonly number[];
}

const DEFAULT_DAYS = 7;

/** @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE. */
export async function readTotals({ store, clock, tenant: own }: TotalsDeps, filter: TotalsFilter): Promise<Totals> {
  const { by = [], tenant = own, ...days } = parseFilter(filter);
  const { to = dayOf(clock.nowMs()) } = days;
  const { from = dayOf(Date.parse(to) - (DEFAULT_DAYS - 1) * DAY_MS) } = days;
  checkRange(from, to);
  const found = (await reach(store.totals({ from, to }))).filter((row) => tenant === undefined || row.tenant === tenant);
  const tagged = by.includes("tag") ? found.flatMap(byTag) : found.map((row) => ({ ...row, tag: "" }));
  const groups = Map.groupBy(tagged, (row) => JSON.stringify(by.map((name) => row[name])));
  return {
    from,
    to,
    groups: [...groups.values()].map((rows) => ({ names: namesOf(rows[0], by), numbers: sumOf(rows) })),
    sum: sumOf(found),
  };
}

interface TaggedRow extends TotalsRow {
  /** Empty for calls of runs without tags. */
  readonly tag: string;
}

/** What was called under two tags counts for each of them. */
const byTag = (row: TotalsRow): TaggedRow[] => (row.tags.length === 0 ? [""] : row.tags).map((tag) => ({ ...row, tag }));

const namesOf = (row: TaggedRow | undefined, by: readonly TotalsDimension[]): TotalsGroup["names"] =>
  Object.fromEntries(by.map((name) => [name, row?.[name] ?? ""]));

const sumOf = (rows: readonly TotalsRow[]): number[] => rows.reduce<number[]>((sum, { numbers }) => addNumbers(sum, numbers), []);

function parseFilter(filter: TotalsFilter): z.output<typeof filterSchema> {
  const parsed = filterSchema.safeParse(filter);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.map(String).join(".") || "query";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${issue?.message ?? "not valid"}.`, {
    at,
    remedy: `give days such as "2026-11-22", and by: any of ${TOTALS_DIMENSIONS.join(", ")}`,
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
