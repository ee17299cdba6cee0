/** What a call costs by the fleet's own price table. A kind of token without a price makes the whole call's cost unknown, never a guess. */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";

const usdPerMillion = z.number().min(0).max(1_000_000);

const priceSchema = z.strictObject({
  input: usdPerMillion,
  /** Input that came out of the prompt cache. */
  cachedInput: usdPerMillion.optional(),
  /** Input that was written to the prompt cache, where that costs extra. */
  cacheWriteInput: usdPerMillion.optional(),
  output: usdPerMillion,
});

/** US dollars for a million tokens, as price lists give them. */
export type ModelPrice = z.input<typeof priceSchema>;
/** By the name that agents give as `model`. */
export type PriceTable = Readonly<Record<string, ModelPrice>>;

/** @throws FleetError INPUT_INVALID */
export function checkPrices(prices: PriceTable): void {
  const parsed = z.record(z.string(), priceSchema).safeParse(prices);
  const [issue] = parsed.error?.issues ?? [];
  if (issue === undefined) return;
  throw new FleetError("INPUT_INVALID", `Expected prices in US dollars for a million tokens: ${issue.message}.`, {
    at: ["prices", ...issue.path].map(String).join("."),
    remedy: "give each model an input and an output price, and cachedInput and cacheWriteInput where the provider has them",
  });
}

export interface TokenCounts {
  /** All of it, cached or not. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteInputTokens: number;
  readonly outputTokens: number;
}

/** Micro dollars, which is what one token costs at a dollar a million. Undefined where a price is missing. */
export function costOf(price: ModelPrice | undefined, tokens: TokenCounts): number | undefined {
  if (price === undefined) return undefined;
  const { inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens } = tokens;
  const parts: readonly (readonly [tokens: number, usd: number | undefined])[] = [
    [Math.max(0, inputTokens - cachedInputTokens - cacheWriteInputTokens), price.input],
    [cachedInputTokens, price.cachedInput],
    [cacheWriteInputTokens, price.cacheWriteInput],
    [outputTokens, price.output],
  ];
  let sum = 0;
  for (const [count, usd] of parts) {
    if (count > 0 && usd === undefined) return undefined;
    sum += count * (usd ?? 0);
  }
  return toMicroUsd(sum);
}

/** Whole micro dollars; what costs something never becomes nothing by rounding. */
export const toMicroUsd = (microUsd: number): number => (microUsd > 0 ? Math.max(1, Math.round(microUsd)) : 0);
