/** Who holds runs back, and why: one run, all runs that an agent has, or all of a tenant. */
import { z } from "zod";
import { agentNameSchema, tenantSchema } from "./ids.ts";
import type { WakeJob } from "./job.ts";
import { LIMITS } from "./limits.ts";
import type { FinalStatus, Pause, RunStatus } from "./run.ts";

/** What a person says with a pause. */
export const pauseNoteSchema = z.strictObject({
  /** Who pauses. */
  by: z.string().min(1).max(LIMITS.personChars),
  reason: z.string().min(1).max(LIMITS.reasonChars).optional(),
});
export type PauseNote = Readonly<z.infer<typeof pauseNoteSchema>>;

export const pauseScopeSchema = z.union([z.strictObject({ agent: agentNameSchema }), z.strictObject({ tenant: tenantSchema })], {
  error: "expected exactly one of agent and tenant",
});
export type PauseScope = Readonly<z.infer<typeof pauseScopeSchema>>;

/** A scope's name in the store. No agent's name holds a line end. */
export const scopeId = (scope: PauseScope): string => ("agent" in scope ? `agent\n${scope.agent}` : `tenant\n${scope.tenant}`);

export function parseScopeId(id: string): PauseScope {
  const name = id.slice(id.indexOf("\n") + 1);
  return pauseScopeSchema.parse(id.startsWith("agent\n") ? { agent: name } : { tenant: name });
}

export interface ScopePause {
  readonly scope: PauseScope;
  readonly pause: Pause;
}

export type PauseReply =
  /** It makes no progress from here on. A run that waits for a person goes on waiting, and does not start when it is answered. */
  | { readonly status: "paused" }
  /** An attempt is running: it finishes its present step. */
  | { readonly status: "requested" }
  /** The first pause counts. */
  | { readonly status: "already-paused"; readonly pause: Pause }
  | { readonly status: "already-final"; readonly as: FinalStatus }
  | { readonly status: "unknown" };

export type ResumeReply =
  | { readonly status: "resumed"; readonly next: WakeJob | undefined }
  /** Its own pause is over, but its agent or its tenant is paused. */
  | { readonly status: "held"; readonly pause: Pause }
  | { readonly status: "not-paused"; readonly as: RunStatus }
  | { readonly status: "unknown" };

export type PauseScopeReply =
  | { readonly status: "paused" }
  | { readonly status: "already-paused"; readonly pause: Pause }
  /** So many scopes are paused already. */
  | { readonly status: "too-many"; readonly limit: number };

/** What `unpark` did with one page of parked runs. */
export interface UnparkReply {
  readonly wakes: readonly WakeJob[];
  /** False: no run is parked under the scope any more. */
  readonly more: boolean;
}

/** The part of the store's port that pauses. */
export interface PauseStore {
  pause(runId: string, note: PauseNote): Promise<PauseReply>;
  resume(runId: string): Promise<ResumeReply>;
  /** From now on no run of the scope begins or goes on behind its present step. */
  pauseScope(scope: PauseScope, note: PauseNote): Promise<PauseScopeReply>;
  /** Runs of the scope may begin; those that are parked are left to `unpark`, which the reconciler calls until none is. */
  resumeScope(scope: PauseScope): Promise<{ readonly status: "resumed" | "not-paused" }>;
  /** Queues at most `limit` runs again that the scope's pause parked, oldest first. Does nothing while the scope is paused. */
  unpark(scope: PauseScope, limit: number): Promise<UnparkReply>;
  pauses(): Promise<ScopePause[]>;
}
