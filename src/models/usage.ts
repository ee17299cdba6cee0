/** From the SDK's usage to the protocol's. Streamed and stored responses carry plain objects, hence the loose input. */
import type { Usage } from "../protocol/run.ts";

type TokenDetails = Readonly<Record<string, unknown>>;

/** What the SDK's `Usage`, and the plain object of a streamed response, have in common. */
export interface SdkUsage {
  readonly requests?: number | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly inputTokensDetails?: TokenDetails | readonly TokenDetails[] | undefined;
  readonly outputTokensDetails?: TokenDetails | readonly TokenDetails[] | undefined;
}

/** One model response's usage. A usage without a count of requests, as streams give it, is one request. */
export const toUsage = (usage: SdkUsage | undefined): Usage => ({
  requests: usage?.requests === undefined ? 1 : toCount(usage.requests),
  inputTokens: toCount(usage?.inputTokens),
  cachedInputTokens: sum(usage?.inputTokensDetails, ["cached_tokens", "cachedTokens", "cache_read_input_tokens"]),
  outputTokens: toCount(usage?.outputTokens),
  reasoningTokens: sum(usage?.outputTokensDetails, ["reasoning_tokens", "reasoningTokens"]),
});

export const addUsage = (left: Usage, right: Usage): Usage => ({
  requests: left.requests + right.requests,
  inputTokens: left.inputTokens + right.inputTokens,
  cachedInputTokens: left.cachedInputTokens + right.cachedInputTokens,
  outputTokens: left.outputTokens + right.outputTokens,
  reasoningTokens: left.reasoningTokens + right.reasoningTokens,
});

/** Adds, over all entries, the first of `names` that the entry has: providers spell the same count differently. */
function sum(details: TokenDetails | readonly TokenDetails[] | undefined, names: readonly string[]): number {
  const entries: readonly TokenDetails[] = details === undefined ? [] : isList(details) ? details : [details];
  return entries.reduce((total, entry) => total + toCount(names.map((name) => entry[name]).find((value) => value !== undefined)), 0);
}

const isList = (details: TokenDetails | readonly TokenDetails[]): details is readonly TokenDetails[] => Array.isArray(details);

const toCount = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value) : 0);
