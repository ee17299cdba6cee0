/** Deletes runs with everything that is kept of them: in the store, in the queue and in the live text. */
import { FleetError } from "../protocol/errors.ts";
import { isFinal } from "../protocol/run.ts";
import type { LiveText, RunStore } from "../protocol/run-store.ts";
import type { RemovedRun, WakeQueue } from "../protocol/wake-queue.ts";
import { reach } from "./backend.ts";
import { checkTenant } from "./follow.ts";
import { conversationPages, runPages } from "./run-pages.ts";

export interface RemoveDeps {
  readonly store: RunStore;
  readonly live: LiveText;
  readonly queue: WakeQueue;
}

export interface TenantRemoval {
  readonly removed: number;
  /** Conversations that were deleted. Those of live runs were left alone. */
  readonly conversations: number;
  /** Runs that are not over, which were left alone. */
  readonly live: number;
}

/** What `removeTenant` would find now. */
export interface TenantCount {
  readonly final: number;
  readonly live: number;
  readonly conversations: number;
}

const CONVERSATIONS_AT_ONCE = 200;

/**
 * Deletes a run that is over, of that tenant if one is named. Its idempotency key goes with it: the same key then makes a new run.
 * @throws FleetError RUN_UNKNOWN, RUN_LIVE, BACKEND_UNREACHABLE.
 */
export async function removeRun(deps: RemoveDeps, runId: string, tenant?: string): Promise<void> {
  await checkTenant(deps.store, runId, tenant);
  const reply = await removeFromStore(deps, runId);
  if (reply.status === "removed") return removeJobs(deps, [reply.run], [reply.queue]);
  if (reply.status === "live") {
    throw new FleetError("RUN_LIVE", `Expected a run that is over; ${runId} is ${reply.as}.`, {
      at: runId,
      remedy: `flotilla runs cancel ${runId}`,
    });
  }
  throw new FleetError(
    "RUN_UNKNOWN",
    `Expected the id of a run; got ${JSON.stringify(runId.slice(0, 80))}, which this Redis does not hold.`,
    {
      at: runId,
      remedy: "it may have been deleted already; list the runs with `flotilla runs ls`",
    },
  );
}

/**
 * Deletes all runs of a tenant that are over, in batches, and when none is left its idempotency keys. May be called again after a failure:
 * it goes on with what is there. Runs that are submitted meanwhile are not looked at.
 */
export async function removeTenant(deps: RemoveDeps, tenant: string): Promise<TenantRemoval> {
  let removed = 0;
  let live = 0;
  for await (const page of runPages(deps.store, { tenant })) {
    const gone: RemovedRun[] = [];
    const queues = new Set<string>();
    for (const { runId, status } of page) {
      const reply = isFinal(status) ? await removeFromStore(deps, runId) : { status: "live" as const };
      if (reply.status === "live") live += 1;
      if (reply.status !== "removed") continue;
      gone.push(reply.run);
      queues.add(reply.queue);
    }
    await removeJobs(deps, gone, [...queues]);
    removed += gone.length;
  }
  await reach(deps.store.forgetIdempotencyKeys(tenant));
  await reach(deps.store.forgetTotals(tenant));
  return { removed, live, conversations: await removeConversations(deps.store, tenant) };
}

async function removeConversations({ conversations }: RunStore, tenant: string): Promise<number> {
  let removed = 0;
  // What is deleted stands on no later page: only those that are left are passed by.
  for (let before: string | undefined; ; ) {
    const page = await reach(conversations.list({ tenant, limit: CONVERSATIONS_AT_ONCE, before }));
    for (const { id } of page) {
      const { status } = await reach(conversations.remove({ tenant, id }));
      if (status === "removed") removed += 1;
      if (status === "busy") before = id;
    }
    if (page.length < CONVERSATIONS_AT_ONCE) return removed;
  }
}

export async function countTenant(store: RunStore, tenant: string): Promise<TenantCount> {
  let [final, live, conversations] = [0, 0, 0];
  for await (const page of runPages(store, { tenant })) {
    const over = page.filter(({ status }) => isFinal(status)).length;
    final += over;
    live += page.length - over;
  }
  for await (const page of conversationPages(store, tenant)) conversations += page.length;
  return { final, live, conversations };
}

async function removeFromStore({ store, live }: RemoveDeps, runId: string) {
  const reply = await reach(store.remove(runId));
  if (reply.status !== "removed") return reply;
  const { lastWake, attempts, turns, queue } = reply;
  // The turn behind the last finished one may have begun.
  await reach(live.remove(runId, turns + 1, attempts));
  return { status: reply.status, run: { runId, lastWake }, queue };
}

/** A handoff moves a run to another queue, and jobs of its earlier wakes may still stand in the ones before: all known queues are looked at. */
async function removeJobs({ store, queue }: RemoveDeps, runs: readonly RemovedRun[], queues: readonly string[]): Promise<void> {
  if (runs.length === 0) return;
  const announced = (await reach(store.agents())).map((agent) => agent.queue);
  await reach(queue.remove(runs, [...new Set([...queues, ...announced])]));
}
