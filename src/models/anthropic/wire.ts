/** What the Messages API answers, as far as it is read. Unknown fields and kinds of blocks and events are let through and left alone. */
import { z } from "zod";

const count = z.number().nullish();

export const usageSchema = z.looseObject({
  input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
  output_tokens: count,
});

/** `thinking` and `redacted_thinking` are kept whole: Anthropic wants them back exactly as they were, signature included. */
const blockSchema = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("text"), text: z.string() }),
  z.looseObject({ type: z.literal("thinking"), thinking: z.string(), signature: z.string().optional() }),
  z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.looseObject({ type: z.literal("tool_use"), id: z.string(), name: z.string(), input: z.unknown() }),
]);
export type Block = z.infer<typeof blockSchema>;

const blocksSchema = z.array(z.unknown()).transform((blocks) => blocks.flatMap((block) => blockSchema.safeParse(block).data ?? []));

export const messageSchema = z.looseObject({
  id: z.string(),
  model: z.string().optional(),
  content: blocksSchema,
  stop_reason: z.string().nullish(),
  usage: usageSchema,
});
export type Message = z.infer<typeof messageSchema>;

const deltaSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text_delta"), text: z.string() }),
  z.object({ type: z.literal("thinking_delta"), thinking: z.string() }),
  z.object({ type: z.literal("signature_delta"), signature: z.string() }),
  z.object({ type: z.literal("input_json_delta"), partial_json: z.string() }),
]);
export type Delta = z.infer<typeof deltaSchema>;

export const errorBodySchema = z.looseObject({ error: z.looseObject({ type: z.string().nullish(), message: z.string().nullish() }) });

export const streamEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message_start"), message: messageSchema }),
  z.object({ type: z.literal("content_block_start"), index: z.int(), content_block: blockSchema.nullable().catch(null) }),
  z.object({ type: z.literal("content_block_delta"), index: z.int(), delta: deltaSchema.nullable().catch(null) }),
  z.object({ type: z.literal("content_block_stop"), index: z.int() }),
  z.object({
    type: z.literal("message_delta"),
    delta: z.looseObject({ stop_reason: z.string().nullish() }),
    usage: usageSchema.optional(),
  }),
  z.object({ type: z.literal("message_stop") }),
  z.looseObject({ type: z.literal("error"), ...errorBodySchema.shape }),
]);
export type WireEvent = z.infer<typeof streamEventSchema>;
