/** What workers announce of themselves, so that producers know where an agent lives and people see who is alive. */
import { z } from "zod";
import { agentNameSchema, queueNameSchema } from "./ids.ts";

export const agentEntrySchema = z.object({
  v: z.literal(1),
  name: agentNameSchema,
  queue: queueNameSchema,
  version: z.string().max(128),
  description: z.string().max(1_000),
  seenAtMs: z.int(),
});
export type AgentEntry = z.infer<typeof agentEntrySchema>;

export const workerEntrySchema = z.object({
  v: z.literal(1),
  workerId: z.string().min(1).max(200),
  host: z.string(),
  pid: z.int(),
  queues: z.array(queueNameSchema),
  agents: z.array(agentNameSchema),
  slots: z.int(),
  busy: z.int(),
  startedAtMs: z.int(),
  seenAtMs: z.int(),
  release: z.string(),
});
export type WorkerEntry = z.infer<typeof workerEntrySchema>;

/** How often a worker announces itself, and after how long without it the worker counts as gone. */
export const ANNOUNCE_EVERY_MS = 5_000;
export const GONE_AFTER_MS = 15_000;
