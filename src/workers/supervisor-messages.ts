/**
 * What a supervisor and its child tell each other over Node's own channel between processes, and what a supervisor tells whoever started it.
 * Parsed on arrival: the user's code in the child may send messages of its own, which are not ours to read.
 */
import { z } from "zod";
import { retentionSchema } from "../protocol/retention.ts";
import { runIdSchema } from "../protocol/ids.ts";

const tokenSchema = z.string().min(1).max(100);
const MAX_HELD = 10_000;

const startedSchema = z.strictObject({
  type: z.literal("started"),
  workerId: z.string().min(1).max(200),
  /** The child's own policy, so that a run is taken back under the rules under which it was taken. */
  retentionMs: retentionSchema,
  maxDeaths: z.int().min(0),
});
const heldSchema = z.strictObject({
  type: z.literal("held"),
  added: z.array(z.strictObject({ runId: runIdSchema, token: tokenSchema })).max(MAX_HELD),
  /** Tokens. */
  removed: z.array(tokenSchema).max(MAX_HELD),
});

export const fromChildSchema = z.discriminatedUnion("type", [startedSchema, heldSchema]);
export type FromChild = z.infer<typeof fromChildSchema>;
export type Started = Omit<z.infer<typeof startedSchema>, "type">;

/** `atOnce`: nothing is waited for. The first wish is gentle, the second is not. */
export const toChildSchema = z.strictObject({ type: z.literal("stop"), atOnce: z.boolean() });
export type ToChild = z.infer<typeof toChildSchema>;

/** The process that has the slots now; null when there is none. For a parent that wants to find it, or to kill it, too. */
export const fromSupervisorSchema = z.strictObject({ type: z.literal("child"), pid: z.int().positive().nullable() });
export type FromSupervisor = z.infer<typeof fromSupervisorSchema>;
