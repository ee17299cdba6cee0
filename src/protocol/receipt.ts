/** What is known of one finished model call beside its answer: who served it, under which id, and what it cost. */
import { z } from "zod";
import { LIMITS } from "./limits.ts";

export const callReceiptSchema = z.object({
  provider: z.string(),
  /** The provider's or proxy's own id of the call: what its logs and its support know it by. */
  callId: z.string().max(LIMITS.callIdChars).optional(),
  /**
   * `proxy`: told by the proxy with the answer. `prices`: reckoned from the fleet's price table. `list`: from the provider's public price list.
   * An unknown cost is unknown, never zero.
   */
  costSource: z.enum(["proxy", "prices", "list", "unknown"]),
  costMicroUsd: z.int().min(0).optional(),
  /** Input that was written to the prompt cache, where the provider tells. */
  cacheWriteInputTokens: z.int().min(0).optional(),
});
/** Where a receipt rides on the SDK's responses: in their `providerData`. */
export const RECEIPT_KEY = "flotilla";

export type CallReceipt = z.infer<typeof callReceiptSchema>;
