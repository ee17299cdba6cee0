/**
 * Second chances: a new run that is made out of what an older one left. A final state has no way out (I8), so the source stays as it is, and the
 * new run says where it comes from.
 */
import { z } from "zod";
import { runIdSchema } from "./ids.ts";

/** What becomes of a tool call: it runs, it is answered from what the source's journal holds, or it does not run at all. */
export const TOOL_MODES = ["live", "recorded", "deny"] as const;
export const toolModeSchema = z.enum(TOOL_MODES);
export type ToolMode = z.infer<typeof toolModeSchema>;

/** `retry`: from the hop that failed. `replay`: from the beginning. `fork`: a copy from any turn on. */
export const originKindSchema = z.enum(["retry", "replay", "fork"]);
export type OriginKind = z.infer<typeof originKindSchema>;

export const originSchema = z.strictObject({
  runId: runIdSchema,
  kind: originKindSchema,
  /** The hop of the source at which the new run begins. */
  hop: z.int().min(0),
  /** The first turn that the new run makes itself, counted over the whole run from 1. */
  turn: z.int().min(1),
});
export type Origin = z.infer<typeof originSchema>;

/** A run that was made out of this one. */
export const childSchema = z.strictObject({ kind: originKindSchema, runId: runIdSchema });

/** Children that a record names; older ones are found by their own `origin`. */
export const MAX_CHILDREN = 20;
