/** Reads what model calls add up to; `record.lua` writes it. */
import { z } from "zod";
import {
  DAY_MS,
  decodeName,
  dayOf,
  encodeName,
  encodeUntagged,
  OTHER_NAME,
  type Tally,
  TOTALS,
  type TotalsQuery,
  type TotalsRow,
} from "../protocol/totals.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { answered, type ScriptArgs, type StoreContext } from "./run-store-context.ts";

/** Days that are read together. */
const DAYS_AT_ONCE = 8;

export function createTotals(context: StoreContext): Pick<RunStore, "totals" | "forgetTotals"> {
  return {
    async totals(query) {
      const days = daysOf(query);
      const rows: TotalsRow[] = [];
      for (let from = 0; from < days.length; from += DAYS_AT_ONCE) {
        const chunk = days.slice(from, from + DAYS_AT_ONCE);
        rows.push(...(await Promise.all(chunk.map((day) => readDay(context, day)))).flat());
      }
      return rows;
    },
    async forgetTotals(tenant) {
      const nowMs = context.clock.nowMs();
      // A worker whose clock is ahead may have begun the next day.
      const days = daysOf({ from: dayOf(nowMs - TOTALS.keepDays * DAY_MS), to: dayOf(nowMs + DAY_MS) });
      for (const day of days) await forgetIn(context, day, tenant);
    },
  };
}

const daysOf = ({ from, to }: TotalsQuery): string[] => {
  const [firstMs, lastMs] = [Date.parse(from), Date.parse(to)];
  return Array.from({ length: Math.max(0, Math.round((lastMs - firstMs) / DAY_MS) + 1) }, (_, index) => dayOf(firstMs + index * DAY_MS));
};

const dayReplySchema = z.record(z.string(), z.string());

async function readDay({ redis, keys }: StoreContext, day: string): Promise<TotalsRow[]> {
  const fields = dayReplySchema.parse(await answered(redis.hgetall(keys.totals(day))));
  return Object.entries(fields).map(([name, numbers]) => ({ day, ...decodeName(name), numbers: numbers.split(" ").map(Number) }));
}

async function forgetIn({ redis, keys }: StoreContext, day: string, tenant: string): Promise<void> {
  const named = (await answered(redis.hkeys(keys.totals(day)))).filter((name) => decodeName(name).tenant === tenant);
  if (named.length > 0) await answered(redis.hdel(keys.totals(day), ...named));
}

/** What `record.lua` needs to add a call up. */
export const tallyArgs = (tally: Tally | undefined): ScriptArgs =>
  tally === undefined
    ? {}
    : {
        row: encodeName(tally),
        untaggedRow: encodeUntagged(tally) ?? "",
        otherRow: OTHER_NAME,
        numbers: tally.numbers.join(" "),
        maxTaggedRows: TOTALS.taggedRowsPerDay,
        maxRows: TOTALS.rowsPerDay,
        totalsMs: TOTALS.keepDays * DAY_MS,
      };
