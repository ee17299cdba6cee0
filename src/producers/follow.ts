/**
 * Follows one run: its durable events merged with live text, from any cursor, until the final event.
 * The store's notification only wakes it; what it shows comes from what is stored, so a lost notification costs time and nothing else.
 */
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import { type FollowedEvent, isFinalEvent, parseCursor, START } from "../protocol/events.ts";
import { isFinal, type RunInfo } from "../protocol/run.ts";
import type { LiveText, RunStore } from "../protocol/run-store.ts";
import { reach } from "./backend.ts";
import { createBell } from "./bell.ts";
import { createFollowState, type FollowState } from "./follow-state.ts";

export interface FollowDeps {
  readonly store: RunStore;
  readonly live: LiveText;
  readonly clock: Clock;
  /** Whose run it must be. Default: anybody's. */
  readonly tenant?: string | undefined;
}

export interface FollowOptions {
  /** The cursor of the last event seen. Default: from the beginning. */
  readonly after?: string | undefined;
  /** Ends the following quietly; the run goes on. */
  readonly signal?: AbortSignal | undefined;
}

export const EVENTS_PER_READ = 200;

/** @throws FleetError RUN_UNKNOWN, RUN_EXPIRED when the record goes away meanwhile, BACKEND_UNREACHABLE. */
export async function* follow(deps: FollowDeps, runId: string, { after, signal }: FollowOptions = {}): AsyncGenerator<FollowedEvent, void> {
  const { store, live, clock, tenant } = deps;
  const state = createFollowState(after === undefined ? START : parseCursor(after));
  if (signal?.aborted) return;
  await requireRun(store, runId, tenant);

  const bell = createBell(clock);
  const ring = (): void => bell.ring();
  const unwatch = await reach(store.watch(runId, ring));
  signal?.addEventListener("abort", ring, { once: true });
  try {
    // A cursor may stand behind the final event: then no event will ever come.
    let checkEnd = true;
    while (!signal?.aborted) {
      const ended: boolean = checkEnd && (await isOver(store, runId));
      for await (const event of readEvents(store, runId, state)) {
        yield event;
        if (isFinalEvent(event)) return;
        if (signal?.aborted) return;
      }
      if (ended) return;
      yield* await readLive(live, runId, state);
      checkEnd = !(await bell.wait());
    }
  } finally {
    signal?.removeEventListener("abort", ring);
    await unwatch();
  }
}

async function* readEvents(store: RunStore, runId: string, state: FollowState): AsyncGenerator<FollowedEvent, void> {
  for (;;) {
    const stored = await reach(store.events(runId, state.position.eventId, EVENTS_PER_READ));
    for (const entry of stored) yield* state.event(entry);
    if (stored.length < EVENTS_PER_READ) return;
  }
}

async function readLive(live: LiveText, runId: string, state: FollowState): Promise<FollowedEvent[]> {
  const { turn, attempt, offset } = state.position;
  if (attempt === 0) return [];
  try {
    return state.chunks(await live.read(runId, turn, attempt, offset));
  } catch {
    // Live text may stand on a second Redis. Without it the text comes with the end of the turn.
    return [];
  }
}

/** Read before the events, so that a run that is final now has its final event in the read that follows. */
async function isOver(store: RunStore, runId: string): Promise<boolean> {
  const info = await reach(store.get(runId));
  if (info === undefined) {
    throw new FleetError("RUN_EXPIRED", `The record of run ${runId} is gone.`, {
      at: runId,
      remedy: "read results before their retention passes",
    });
  }
  return isFinal(info.status);
}

/** A run of another tenant than the one that is named is not there. @throws FleetError RUN_UNKNOWN. */
export async function requireRun(store: RunStore, runId: string, tenant?: string): Promise<RunInfo> {
  const info = await reach(store.get(runId));
  if (info !== undefined && (tenant === undefined || info.tenant === tenant)) return info;
  throw unknownRun(runId);
}

/** The same without the run's record, which may be sealed with a key that is not here. @throws FleetError RUN_UNKNOWN. */
export async function checkTenant(store: RunStore, runId: string, tenant: string | undefined): Promise<void> {
  if (tenant !== undefined && (await reach(store.tenantOf(runId))) !== tenant) throw unknownRun(runId);
}

const unknownRun = (runId: string): FleetError =>
  new FleetError("RUN_UNKNOWN", `Expected the id of a run; got ${JSON.stringify(runId.slice(0, 80))}, which this Redis does not hold.`, {
    at: "runId",
    remedy: "list the runs with `flotilla runs ls`; check REDIS_URL and FLOTILLA_PREFIX; a final run is deleted when its retention passes",
  });
