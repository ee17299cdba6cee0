/** How long runs stay readable after their end, by how they ended, and conversations after their last use. */
import { z } from "zod";
import { FleetError } from "./errors.ts";
import { FINAL_STATUSES, type FinalStatus } from "./run.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

export const DEFAULT_RETENTION_MS = 7 * DAY_MS;
/** Shorter, and nobody could read a result. */
const MIN_RETENTION_MS = 1_000;
const MAX_RETENTION_MS = 3_650 * DAY_MS;

/** How long a conversation that nobody uses is kept. */
export const CONVERSATION_KEEP_MS = 90 * DAY_MS;
/** Longer than the longest deadline: no conversation goes while a run of it lives. */
const MIN_CONVERSATION_KEEP_MS = 31 * DAY_MS;

const durationSchema = z.int().min(MIN_RETENTION_MS).max(MAX_RETENTION_MS).optional();

/** Milliseconds, of at least a second and at most ten years each. What is left out: 7 days. */
const retentionOptionsSchema = z.strictObject({
  completedMs: durationSchema,
  failedMs: durationSchema,
  /** Ended by a guardrail. */
  blockedMs: durationSchema,
  /** The model declined to answer. */
  refusedMs: durationSchema,
  cancelledMs: durationSchema,
  expiredMs: durationSchema,
  /** Of conversations, from their last use on: at least 31 days. Left out: 90 days. */
  conversationsMs: z.int().min(MIN_CONVERSATION_KEEP_MS).max(MAX_RETENTION_MS).optional(),
});
export type RetentionOptions = Readonly<z.input<typeof retentionOptionsSchema>>;

/** One time for all, or one for each way to end. Milliseconds. */
export type Retention = number | Readonly<Record<FinalStatus, number>>;

/**
 * @param fallbackMs for what is left out
 * @throws FleetError INPUT_INVALID naming the option.
 */
export function parseRetention(
  options: RetentionOptions,
  fallbackMs: number = DEFAULT_RETENTION_MS,
): Readonly<Record<FinalStatus, number>> {
  const given = parseOptions(options);
  return {
    completed: given.completedMs ?? fallbackMs,
    failed: given.failedMs ?? fallbackMs,
    blocked: given.blockedMs ?? fallbackMs,
    refused: given.refusedMs ?? fallbackMs,
    cancelled: given.cancelledMs ?? fallbackMs,
    expired: given.expiredMs ?? fallbackMs,
  };
}

/** @throws FleetError INPUT_INVALID naming the option. */
export const parseConversationKeepMs = (options: RetentionOptions): number => parseOptions(options).conversationsMs ?? CONVERSATION_KEEP_MS;

function parseOptions(options: RetentionOptions): RetentionOptions {
  const parsed = retentionOptionsSchema.safeParse(options);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = ["retention", ...(issue?.path ?? []).map(String)].join(".");
  const names = FINAL_STATUSES.map((status) => `${status}Ms`).join(", ");
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${issue?.message ?? "not valid"}.`, {
    at,
    remedy: `give milliseconds from ${MIN_RETENTION_MS} to ${MAX_RETENTION_MS} for ${names}; conversationsMs from ${MIN_CONVERSATION_KEEP_MS}`,
  });
}

export const retentionOf = (retention: Retention, status: FinalStatus): number =>
  typeof retention === "number" ? retention : retention[status];

/** For messages between the fleet's own processes. */
export const retentionSchema = z.union([
  z.int().min(0),
  z.strictObject({
    completed: z.int(),
    failed: z.int(),
    blocked: z.int(),
    refused: z.int(),
    cancelled: z.int(),
    expired: z.int(),
  }) satisfies z.ZodType<Readonly<Record<FinalStatus, number>>>,
]);
