/** What one result of a batch used and cost, by the fleet's own price table: no proxy tells it. */
import { toUsage } from "../anthropic/response.ts";
import { field, isObject } from "../duck.ts";
import { costOf, hourWritesOf, type ModelPrice, type PriceTable, type TokenCounts } from "../prices.ts";
import { ANTHROPIC_PREFIX } from "./requests.ts";
import type { BatchMessage } from "./wire.ts";

export interface BatchCharge {
  readonly usage: TokenCounts;
  /** Undefined where a price is missing, never 0 for lack of one. */
  readonly costMicroUsd: number | undefined;
}

/** Anthropic takes half for every token of a batch, reads and writes of the prompt cache included. */
const BATCH_SHARE = 0.5;

/** @param sentName what Anthropic calls the model that the table names so; undefined for one that is not Anthropic's */
export function createBatchPrices(
  prices: PriceTable,
  sentName: (name: string) => string | undefined,
): (message: BatchMessage) => BatchCharge {
  const bySentName = new Map<string, ModelPrice>();
  for (const [name, price] of Object.entries(prices)) {
    const sent = sentName(name);
    // A model's own name says more than an alias that may point at it.
    if (sent !== undefined && (!bySentName.has(sent) || name === `${ANTHROPIC_PREFIX}${sent}`)) bySentName.set(sent, halved(price));
  }
  return (message) => {
    const usage = countsOf(message);
    // Asked for by its short name, a model may answer by the one with its date.
    const price = bySentName.get(message.model) ?? bySentName.get(message.model.replace(/-20\d{6}$/, ""));
    return { usage, costMicroUsd: hasOtherCharges(message) ? undefined : costOf(price, usage, hourWritesOf(message.usage)) };
  };
}

function countsOf(message: BatchMessage): TokenCounts {
  const { inputTokens, outputTokens, inputTokensDetails } = toUsage(message);
  return {
    inputTokens,
    cachedInputTokens: inputTokensDetails["cached_tokens"] ?? 0,
    cacheWriteInputTokens: inputTokensDetails["cache_write_tokens"] ?? 0,
    outputTokens,
  };
}

/** What Anthropic's server does for a model without taking more than the tokens. Searches of the web are charged by the piece. */
const FREE_USES: ReadonlySet<string> = new Set(["web_fetch_requests"]);
/** Anywhere at all; to be served in one country costs more for each token. */
const ANYWHERE: ReadonlySet<unknown> = new Set([undefined, null, "global", "not_available"]);

/** Charges that no table of token prices holds. */
const hasOtherCharges = ({ usage }: BatchMessage): boolean =>
  !ANYWHERE.has(field(usage, "inference_geo")) ||
  (isObject(usage.server_tool_use) &&
    Object.entries(usage.server_tool_use).some(([use, count]) => typeof count === "number" && count > 0 && !FREE_USES.has(use)));

const halved = ({ input, cachedInput, cacheWriteInput, cacheWrite1hInput, output }: ModelPrice): ModelPrice => ({
  input: input * BATCH_SHARE,
  output: output * BATCH_SHARE,
  ...(cachedInput === undefined ? {} : { cachedInput: cachedInput * BATCH_SHARE }),
  ...(cacheWriteInput === undefined ? {} : { cacheWriteInput: cacheWriteInput * BATCH_SHARE }),
  ...(cacheWrite1hInput === undefined ? {} : { cacheWrite1hInput: cacheWrite1hInput * BATCH_SHARE }),
});
