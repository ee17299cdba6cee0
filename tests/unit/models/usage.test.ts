import { Usage } from "@openai/agents";
import { expect, test } from "vitest";
import { addUsage, toUsage } from "../../../src/models/usage.ts";
import { NO_USAGE, usageSchema } from "../../../src/protocol/run.ts";

test("an SDK usage keeps cached and reasoning tokens, summed over its requests", () => {
  const usage = new Usage({
    requests: 2,
    inputTokens: 100,
    outputTokens: 30,
    inputTokensDetails: [{ cached_tokens: 40 }, { cached_tokens: 20 }],
    outputTokensDetails: [{ reasoning_tokens: 7 }],
  });
  expect(toUsage(usage)).toEqual({ requests: 2, inputTokens: 100, cachedInputTokens: 60, outputTokens: 30, reasoningTokens: 7 });
});

test("the plain usage of a streamed response counts as one request", () => {
  expect(toUsage({ inputTokens: 5, outputTokens: 2, inputTokensDetails: { cached_tokens: 1 } })).toEqual({
    requests: 1,
    inputTokens: 5,
    cachedInputTokens: 1,
    outputTokens: 2,
    reasoningTokens: 0,
  });
});

test("what no provider should send still fits the schema", () => {
  const usage = toUsage({ requests: 0, inputTokens: Number.NaN, outputTokens: -3, inputTokensDetails: { cached_tokens: 1.6 } });
  expect(usageSchema.parse(usage)).toEqual({ ...NO_USAGE, cachedInputTokens: 2 });
  expect(toUsage(undefined)).toEqual({ ...NO_USAGE, requests: 1 });
});

test("usages add up field by field", () => {
  const one = { requests: 1, inputTokens: 2, cachedInputTokens: 3, outputTokens: 4, reasoningTokens: 5 };
  expect(addUsage(one, one)).toEqual({ requests: 2, inputTokens: 4, cachedInputTokens: 6, outputTokens: 8, reasoningTokens: 10 });
});
