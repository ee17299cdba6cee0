/** What a call costs by the fleet's own price table. A kind of token without a price makes the whole call's cost unknown, never a guess. */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { field, numberField } from "./duck.ts";

const usdPerMillion = z.number().min(0).max(1_000_000);

const priceSchema = z.strictObject({
  input: usdPerMillion,
  /** Input that came out of the prompt cache. */
  cachedInput: usdPerMillion.optional(),
  /** Input that was written to the prompt cache, where that costs extra. */
  cacheWriteInput: usdPerMillion.optional(),
  /** Input that was written to it for an hour, where that costs more than five minutes: Anthropic, with `promptCacheRetention: "24h"`. */
  cacheWrite1hInput: usdPerMillion.optional(),
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

/** A part of the writes to Anthropic's prompt cache, and dearer than the others. */
export const hourWritesOf = (rawUsage: unknown): number =>
  Math.max(0, numberField(field(rawUsage, "cache_creation"), "ephemeral_1h_input_tokens") ?? 0);

/**
 * Micro dollars, which is what one token costs at a dollar a million. Undefined where a price is missing.
 * @param hourWrites how many of the writes to the prompt cache were for an hour
 */
export function costOf(price: ModelPrice | undefined, tokens: TokenCounts, hourWrites: number): number | undefined {
  if (price === undefined) return undefined;
  const { inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens } = tokens;
  const parts: readonly (readonly [tokens: number, usd: number | undefined])[] = [
    [Math.max(0, inputTokens - cachedInputTokens - cacheWriteInputTokens), price.input],
    [cachedInputTokens, price.cachedInput],
    [Math.max(0, cacheWriteInputTokens - hourWrites), price.cacheWriteInput],
    [hourWrites, price.cacheWrite1hInput],
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
