/** What the Message Batches API answers, as far as it is read. Where its results lie (`results_url`) is not: they are asked for by path. */
import { z } from "zod";
import { usageSchema } from "../anthropic/wire.ts";

/** Ids go into paths: nothing that could lead elsewhere. */
export const batchIdSchema = z.string().regex(/^[\w-]{1,256}$/);

const timeMs = z.iso.datetime({ offset: true }).transform((time) => Date.parse(time));

export const messageBatchSchema = z
  .object({
    id: batchIdSchema,
    // Whatever else may come to be said, only the end is the end.
    processing_status: z.enum(["in_progress", "canceling", "ended"]).catch("in_progress"),
    request_counts: z.object({
      processing: z.int().min(0),
      succeeded: z.int().min(0),
      errored: z.int().min(0),
      canceled: z.int().min(0),
      expired: z.int().min(0),
    }),
    created_at: timeMs,
    expires_at: timeMs,
    ended_at: timeMs.nullish(),
    cancel_initiated_at: timeMs.nullish(),
    archived_at: timeMs.nullish(),
  })
  .transform((wire) => ({
    id: wire.id,
    status: wire.processing_status,
    /** All are `processing` until the whole batch has ended. */
    counts: wire.request_counts,
    createdAtMs: wire.created_at,
    /** When whatever is not done yet expires. */
    expiresAtMs: wire.expires_at,
    endedAtMs: wire.ended_at ?? undefined,
    cancelAskedAtMs: wire.cancel_initiated_at ?? undefined,
    /** From then on there are no results. */
    archivedAtMs: wire.archived_at ?? undefined,
  }));
export type MessageBatch = Readonly<z.output<typeof messageBatchSchema>>;

export const batchPageSchema = z.object({
  data: z.array(messageBatchSchema).max(1_000),
  has_more: z.boolean(),
  last_id: z.string().nullish(),
});

/** Anthropic's own message, whole: kinds of blocks that this release does not know are there too. */
const messageSchema = z.looseObject({
  id: z.string(),
  model: z.string(),
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
  stop_reason: z.string().nullish(),
  usage: usageSchema.extend({ server_tool_use: z.record(z.string(), z.unknown()).nullish() }),
});
export type BatchMessage = Readonly<z.output<typeof messageSchema>>;

export const resultLineSchema = z.object({
  custom_id: z.string().min(1).max(256),
  result: z.discriminatedUnion("type", [
    z.object({ type: z.literal("succeeded"), message: messageSchema }),
    // The body of an error inside that of a result.
    z.object({ type: z.literal("errored"), error: z.object({ error: z.object({ type: z.string(), message: z.string() }) }) }),
    z.object({ type: z.literal("canceled") }),
    z.object({ type: z.literal("expired") }),
  ]),
});
export type ResultLine = z.output<typeof resultLineSchema>;
