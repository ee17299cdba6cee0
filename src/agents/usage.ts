/** The SDK's usage in the fleet's terms. */
import type { ModelResponse } from "@openai/agents";
import { type CallReceipt, callReceiptSchema, RECEIPT_KEY } from "../protocol/receipt.ts";
import type { Usage } from "../protocol/run.ts";

type Details = Record<string, unknown> | ReadonlyArray<Record<string, unknown>> | undefined;

interface SdkUsage {
  readonly requests?: number | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly inputTokensDetails?: Details;
  readonly outputTokensDetails?: Details;
}

/** A response counts as one request unless it says otherwise; missing counts are 0. */
/** Tokens only: an event holds no more, because readers of an older release take no more. */
export const toUsage = (usage: SdkUsage): Usage => ({
  requests: count(usage.requests ?? 1),
  inputTokens: count(usage.inputTokens),
  cachedInputTokens: count(detail(usage.inputTokensDetails, "cached_tokens")),
  outputTokens: count(usage.outputTokens),
  reasoningTokens: count(detail(usage.outputTokensDetails, "reasoning_tokens")),
});

/** With what the call's receipt knows. */
export const withReceipt = (usage: Usage, receipt: CallReceipt | undefined): Usage => ({
  ...usage,
  ...(receipt?.cacheWriteInputTokens === undefined ? {} : { cacheWriteInputTokens: receipt.cacheWriteInputTokens }),
  ...(receipt?.costMicroUsd === undefined ? {} : { pricedRequests: usage.requests, costMicroUsd: receipt.costMicroUsd }),
});

/** Undefined for a model that is none of the fleet's routes, such as an SDK model that the user gave. */
export function receiptOf({ providerData }: Pick<ModelResponse, "providerData">): CallReceipt | undefined {
  const receipt: unknown = providerData?.[RECEIPT_KEY];
  return receipt === undefined ? undefined : callReceiptSchema.safeParse(receipt).data;
}

/** Providers are not to be trusted with numbers: what is none counts as 0. */
const count = (value: number | undefined): number => (value !== undefined && Number.isFinite(value) && value > 0 ? Math.round(value) : 0);

function detail(details: Details, name: string): number {
  const all = Array.isArray(details) ? details : [details ?? {}];
  return all.reduce((sum: number, entry: Record<string, unknown>) => sum + (typeof entry[name] === "number" ? entry[name] : 0), 0);
}
