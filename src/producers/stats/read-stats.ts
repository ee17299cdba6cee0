/**
 * How agents do: by agent and version, tenant and day, read from the events of the runs that are there. So it is as exact as they are, costs a
 * run nothing, and goes back as far as runs are kept; what model calls add up to over months, `costs` tells.
 */
import { z } from "zod";
import type { Clock } from "../../clock.ts";
import { isFleetError } from "../../protocol/errors.ts";
import type { RunEvent } from "../../protocol/events.ts";
import { tenantSchema } from "../../protocol/ids.ts";
import type { RunInfo } from "../../protocol/run.ts";
import type { RunStore } from "../../protocol/run-store.ts";
import { DAY_MS } from "../../protocol/totals.ts";
import { reach } from "../backend.ts";
import { EVENTS_PER_READ } from "../follow.ts";
import { runPages } from "../run-pages.ts";
import { parseOptions } from "../submission.ts";
import { factsOf } from "./run-facts.ts";
import { createStatsBook, STATS_DIMENSIONS, type StatsTables } from "./stats-book.ts";

export const STATS_LIMIT = { most: 10_000, usual: 1_000 } as const;

const querySchema = z.strictObject({
  /** Runs that were submitted since then, in epoch milliseconds. Default: seven days ago. */
  sinceAtMs: z.int().min(0).optional(),
  /** So many runs are read, the newest. Default 1,000. */
  limit: z.int().min(1).max(STATS_LIMIT.most).optional(),
  /** What rows are told apart by. Default: agent and version. */
  by: z.array(z.enum(STATS_DIMENSIONS)).max(STATS_DIMENSIONS.length).optional(),
  /** Only this tenant's. Default: the producer's own tenant, if it has one. */
  tenant: tenantSchema.optional(),
});
export type StatsQuery = Readonly<z.input<typeof querySchema>>;

export interface StatsReport extends StatsTables {
  readonly sinceAtMs: number;
  /** How many runs were read. */
  readonly runs: number;
  /** Runs whose events are sealed with a key that is not here: they are in nothing but this number. */
  readonly unreadable: number;
  /** False: there are older runs since then, which the limit left out. */
  readonly isWhole: boolean;
}

interface StatsDeps {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly tenant: string | undefined;
}

const DEFAULT_DAYS = 7;
/** Runs whose events are read together. */
const READ_AT_ONCE = 16;

/** @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE. */
export async function readStats({ store, clock, tenant: own }: StatsDeps, query: StatsQuery): Promise<StatsReport> {
  const parsed = parseOptions(querySchema, query);
  const { by = ["agent", "version"], limit = STATS_LIMIT.usual, tenant = own } = parsed;
  const { sinceAtMs = clock.nowMs() - DEFAULT_DAYS * DAY_MS } = parsed;
  const book = createStatsBook(by);
  let [runs, unreadable] = [0, 0];
  for await (const page of runPages(store, { tenant })) {
    const meant = page.filter(({ createdAtMs }) => createdAtMs >= sinceAtMs);
    const read = meant.slice(0, limit - runs);
    for await (const [info, events] of withEvents(store, read)) {
      if (events === undefined) unreadable += 1;
      else book.add(info, factsOf(events));
    }
    runs += read.length;
    if (read.length < meant.length) return { sinceAtMs, runs, unreadable, isWhole: false, ...book.tables() };
    if (meant.length < page.length) break;
  }
  return { sinceAtMs, runs, unreadable, isWhole: true, ...book.tables() };
}

async function* withEvents(store: RunStore, infos: readonly RunInfo[]) {
  for (let from = 0; from < infos.length; from += READ_AT_ONCE) {
    const chunk = infos.slice(from, from + READ_AT_ONCE);
    yield* await Promise.all(chunk.map(async (info) => [info, await readableEvents(store, info.runId)] as const));
  }
}

/** One run with a lost key hides no other. */
async function readableEvents(store: RunStore, runId: string): Promise<RunEvent[] | undefined> {
  try {
    return await eventsOf(store, runId);
  } catch (error) {
    if (isFleetError(error) && ["PAYLOAD_KEY_MISSING", "PAYLOAD_NOT_SEALED"].includes(error.code)) return undefined;
    throw error;
  }
}

/** None of a run that is deleted meanwhile. */
async function eventsOf(store: RunStore, runId: string): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (let afterId = "0-0"; ; ) {
    const stored = await reach(store.events(runId, afterId, EVENTS_PER_READ));
    events.push(...stored.map(({ event }) => event));
    afterId = stored.at(-1)?.id ?? afterId;
    if (stored.length < EVENTS_PER_READ) return events;
  }
}
