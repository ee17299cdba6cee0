/** The SDK's usage in the fleet's terms. */
import { type Usage, usageSchema } from "../protocol/run.ts";

type Details = Record<string, unknown> | ReadonlyArray<Record<string, unknown>> | undefined;

interface SdkUsage {
  readonly requests?: number | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly inputTokensDetails?: Details;
  readonly outputTokensDetails?: Details;
}

/** A response counts as one request unless it says otherwise; missing counts are 0. */
export const toUsage = (usage: SdkUsage): Usage =>
  usageSchema.parse({
    requests: usage.requests ?? 1,
    inputTokens: usage.inputTokens ?? 0,
    cachedInputTokens: detail(usage.inputTokensDetails, "cached_tokens"),
    outputTokens: usage.outputTokens ?? 0,
    reasoningTokens: detail(usage.outputTokensDetails, "reasoning_tokens"),
  });

function detail(details: Details, name: string): number {
  const all = Array.isArray(details) ? details : [details ?? {}];
  return all.reduce((sum: number, entry: Record<string, unknown>) => sum + (typeof entry[name] === "number" ? entry[name] : 0), 0);
}
