/**
 * What rides in a BullMQ job: which wake of which run. Never prompts, never outputs (I9).
 * The major version is part of the queue's name, so an old worker never takes a newer job; a newer minor is put back.
 */
import { z } from "zod";
import { runIdSchema } from "./ids.ts";

export const PROTOCOL_MAJOR = 1;
export const PROTOCOL_MINOR = 1;

export const jobDataSchema = z.object({
  v: z.literal(PROTOCOL_MAJOR),
  minor: z.int().min(0),
  runId: runIdSchema,
  wake: z.int().min(0),
});
export type JobData = z.infer<typeof jobDataSchema>;

export const PRIORITIES = ["high", "normal", "low"] as const;
export const prioritySchema = z.enum(PRIORITIES);
export type Priority = z.infer<typeof prioritySchema>;

/** A wake that must be in a queue. `continuation` wakes go ahead of new runs: a started run must not wait behind the backlog. */
export interface WakeJob {
  readonly runId: string;
  readonly wake: number;
  readonly agent: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly continuation: boolean;
}
