/** Pauses all runs of an agent or of a tenant, and resumes them. */
import { FleetError } from "../protocol/errors.ts";
import { type PauseNote, pauseNoteSchema, type PauseScope, pauseScopeSchema, type PauseScopeReply } from "../protocol/pause.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { WakeQueue } from "../protocol/wake-queue.ts";
import { reach } from "./backend.ts";

/** Runs that are queued again together. */
const RUNS_AT_ONCE = 200;

export type ScopePaused = Exclude<PauseScopeReply, { readonly status: "too-many" }>;

export interface ScopeResumed {
  readonly status: "resumed" | "not-paused";
  /** How many runs this call queued again; workers may have queued others meanwhile. */
  readonly runs: number;
}

interface PauseDeps {
  readonly store: RunStore;
  readonly queue: WakeQueue;
}

/** @throws FleetError INPUT_INVALID */
export const parsePauseNote = (note: unknown): PauseNote => parsed(pauseNoteSchema.safeParse(note));

/** @throws FleetError INPUT_INVALID, INPUT_TOO_LARGE when a thousand scopes are paused already, BACKEND_UNREACHABLE. */
export async function pauseScope({ store }: PauseDeps, scope: unknown, note: unknown): Promise<ScopePaused> {
  const reply = await reach(store.pauseScope(parseScope(scope), parsePauseNote(note)));
  if (reply.status !== "too-many") return reply;
  throw new FleetError("INPUT_TOO_LARGE", `Expected at most ${reply.limit} agents and tenants to be paused at once.`, {
    at: "pauses",
    remedy: "resume some: `flotilla pause` lists them",
  });
}

/**
 * Ends the pause, and queues what it parked again, oldest first. Should this process die in the middle, the workers go on with it.
 * @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE.
 */
export async function resumeScope({ store, queue }: PauseDeps, scope: unknown): Promise<ScopeResumed> {
  const wanted = parseScope(scope);
  const { status } = await reach(store.resumeScope(wanted));
  let runs = 0;
  for (let more = status === "resumed"; more; ) {
    const page = await reach(store.unpark(wanted, RUNS_AT_ONCE));
    // What cannot be added now is offered by the reconciler (I3).
    if (page.wakes.length > 0) await queue.add(page.wakes).catch(() => undefined);
    runs += page.wakes.length;
    more = page.more;
  }
  return { status, runs };
}

const parseScope = (scope: unknown): PauseScope => parsed(pauseScopeSchema.safeParse(scope));

function parsed<T>(
  result: { success: true; data: T } | { success: false; error: { issues: ReadonlyArray<{ path: PropertyKey[]; message: string }> } },
): T {
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = issue?.path.map(String).join(".") || "pause";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${issue?.message ?? "not valid"}.`, {
    at,
    remedy: "give { agent } or { tenant }, and who pauses: { by, reason }",
  });
}
