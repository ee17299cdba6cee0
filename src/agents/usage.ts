/** The SDK's usage in the fleet's terms. */
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
export const toUsage = (usage: SdkUsage): Usage => ({
  requests: count(usage.requests ?? 1),
  inputTokens: count(usage.inputTokens),
  cachedInputTokens: count(detail(usage.inputTokensDetails, "cached_tokens")),
  outputTokens: count(usage.outputTokens),
  reasoningTokens: count(detail(usage.outputTokensDetails, "reasoning_tokens")),
});

/** Providers are not to be trusted with numbers: what is none counts as 0. */
const count = (value: number | undefined): number => (value !== undefined && Number.isFinite(value) && value > 0 ? Math.round(value) : 0);

function detail(details: Details, name: string): number {
  const all = Array.isArray(details) ? details : [details ?? {}];
  return all.reduce((sum: number, entry: Record<string, unknown>) => sum + (typeof entry[name] === "number" ? entry[name] : 0), 0);
}
