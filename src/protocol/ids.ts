/** Names and ids that cross Redis. A run id holds its shard's number, so that more shards can be added without changing ids. */
import { z } from "zod";
import { LIMITS } from "./limits.ts";

/** `r<shard>-<ulid>`: sortable by time, no colon (BullMQ refuses one in a job id). */
export const runIdSchema = z
  .string()
  .regex(/^r[0-9]{1,4}-[0-9a-hjkmnp-tv-z]{26}$/, "expected a run id such as r0-01jd3xk2v7w8y9z0a1b2c3d4e5");
export type RunId = z.infer<typeof runIdSchema>;

/** An agent's name is the SDK's `Agent.name`; it becomes a BullMQ job name. */
export const agentNameSchema = z
  .string()
  .min(1)
  .max(LIMITS.agentNameChars)
  .regex(/^[^\u0000-\u001f]+$/, "expected no control characters");

/** Tenants stand in keys, hence the narrow alphabet. */
export const tenantSchema = z
  .string()
  .min(1)
  .max(LIMITS.tenantChars)
  .regex(/^[A-Za-z0-9._@-]+$/, "expected letters, digits and . _ @ - only");

/** Conversation ids stand in keys, too. */
export const conversationIdSchema = z
  .string()
  .min(1)
  .max(LIMITS.conversationIdChars)
  .regex(/^[A-Za-z0-9._@-]+$/, "expected letters, digits and . _ @ - only");

/** A proxy is told of tags as well, beside its `tenant:…` and `agent:…`: without a colon none can pass for another. */
export const tagSchema = z
  .string()
  .min(1)
  .max(LIMITS.tagChars)
  .regex(/^[A-Za-z0-9._@/-]+$/, "expected letters, digits and . _ @ / - only");
export const tagsSchema = z.array(tagSchema).max(LIMITS.tagsPerRun);

export const queueNameSchema = z
  .string()
  .min(1)
  .max(LIMITS.queueNameChars)
  .regex(/^[A-Za-z0-9_-]+$/, "expected letters, digits, _ and - only");

export const idempotencyKeySchema = z.string().min(1).max(LIMITS.idempotencyKeyChars);

export const DEFAULT_TENANT = "default";
export const DEFAULT_QUEUE = "default";

/** The BullMQ job that carries one wake of a run. */
export const jobIdOf = (runId: RunId, wake: number): string => `${runId}-${wake}`;
