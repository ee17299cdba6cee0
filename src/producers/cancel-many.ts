/** Cancels many runs at once: of an agent, a tenant, in a state. */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { agentNameSchema, tenantSchema } from "../protocol/ids.ts";
import type { Retention } from "../protocol/retention.ts";
import { LIVE_STATUSES } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { reach } from "./backend.ts";
import { runPages } from "./run-pages.ts";

const filterSchema = z.strictObject({
  /** The agent that has the run now. */
  agent: agentNameSchema.optional(),
  tenant: tenantSchema.optional(),
  status: z.enum(LIVE_STATUSES).optional(),
});
/** Which runs: all that are given must hold, and at least one must be given. */
export type CancelFilter = Readonly<z.input<typeof filterSchema>>;

export interface CancelledMany {
  /** Over now. */
  readonly cancelled: number;
  /** Running: they were told, and end soon. */
  readonly requested: number;
  /** Ended by themselves in this moment. */
  readonly alreadyFinal: number;
}

/** A run may move from a state that was not looked at yet to one that was. */
const PASSES = 3;

/**
 * Walks the lists of live runs, by state and tenant, newest first. May be called again: what is cancelled already is left alone.
 * Runs that are submitted meanwhile may be missed: pause the agent or the tenant before.
 */
export async function cancelMany(store: RunStore, retentionMs: Retention, filter: CancelFilter): Promise<CancelledMany> {
  const sum = { cancelled: 0, requested: 0, alreadyFinal: 0 };
  const told = new Set<string>();
  for (let pass = 0; pass < PASSES; pass += 1) {
    let found = 0;
    for await (const page of pagesOf(store, filter)) {
      const fresh = page.filter((runId) => !told.has(runId));
      const replies = await Promise.all(fresh.map((runId) => reach(store.cancel(runId, retentionMs))));
      for (const { status } of replies) {
        if (status === "cancelled") sum.cancelled += 1;
        if (status === "requested") sum.requested += 1;
        if (status === "already-final") sum.alreadyFinal += 1;
      }
      for (const runId of fresh) told.add(runId);
      found += fresh.length;
    }
    if (found === 0) break;
  }
  return sum;
}

/** How many runs `cancelMany` would find now. */
export async function countCancellable(store: RunStore, filter: CancelFilter): Promise<number> {
  let count = 0;
  for await (const page of pagesOf(store, filter)) count += page.length;
  return count;
}

/** The index knows tenants and states; the agent is read from the records of live runs. */
async function* pagesOf(store: RunStore, { agent, tenant, status }: CancelFilter): AsyncGenerator<string[], void> {
  for (const wanted of status === undefined ? LIVE_STATUSES : [status]) {
    for await (const page of runPages(store, { status: wanted, tenant })) {
      yield page.filter((run) => agent === undefined || run.agent === agent).map(({ runId }) => runId);
    }
  }
}

/** @throws FleetError INPUT_INVALID, also for a filter that holds for all runs */
export function parseFilter(filter: CancelFilter): CancelFilter {
  const parsed = filterSchema.safeParse(filter);
  const issue = parsed.success ? undefined : parsed.error.issues[0];
  if (parsed.success && Object.values(parsed.data).some((value) => value !== undefined)) return parsed.data;
  const at = issue?.path.join(".") || "filter";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${issue?.message ?? "give at least one of agent, tenant, status"}.`, {
    at,
    remedy: "give agent, tenant or status; a single run is cancelled by its id",
  });
}
