/** What model calls add up to, in memory. */
import { addNumbers, DAY_MS, dayOf, decodeName, encodeName, encodeUntagged, OTHER_NAME, type Tally, TOTALS } from "../protocol/totals.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { MemoryWorld } from "./memory-run-state.ts";

export const createMemoryTotals = ({ totals }: MemoryWorld): Pick<RunStore, "totals" | "forgetTotals"> => ({
  totals: async ({ from, to }) =>
    [...totals]
      .filter(([day]) => day >= from && day <= to)
      .flatMap(([day, rows]) => [...rows].map(([name, numbers]) => ({ day, ...decodeName(name), numbers }))),
  async forgetTotals(tenant) {
    for (const rows of totals.values()) for (const name of rows.keys()) if (decodeName(name).tenant === tenant) rows.delete(name);
  },
});

export function addUp({ clock, totals }: MemoryWorld, tally: Tally | undefined): void {
  if (tally === undefined) return;
  const day = dayOf(clock.nowMs());
  const oldest = dayOf(clock.nowMs() - TOTALS.keepDays * DAY_MS);
  for (const known of totals.keys()) if (known < oldest) totals.delete(known);
  const rows = totals.get(day) ?? new Map<string, readonly number[]>();
  totals.set(day, rows);
  const name = encodeName(tally);
  const row = rowFor(rows, name, encodeUntagged(tally));
  rows.set(row, addNumbers(rows.get(row) ?? [], tally.numbers));
}

function rowFor(rows: ReadonlyMap<string, unknown>, name: string, untagged: string | undefined): string {
  if (rows.has(name)) return name;
  const own = untagged !== undefined && rows.size >= TOTALS.taggedRowsPerDay ? untagged : name;
  return rows.has(own) || rows.size < TOTALS.rowsPerDay ? own : OTHER_NAME;
}
