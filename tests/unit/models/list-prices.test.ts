/** What a call costs by the provider's public list, and when the list is not to be believed. */
import { describe, expect, test } from "vitest";
import { parseModelEnv } from "../../../src/models/env.ts";
import { isPlainCall, listPriceOf } from "../../../src/models/list-prices.ts";
import type { ModelProviderOptions } from "../../../src/models/provider.ts";
import { setup } from "./routed-models.ts";

const ANTHROPIC = "https://api.anthropic.com";
const OPENAI = "https://api.openai.com/v1";
const tokens = { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 };

/** Calls that go to the providers' own addresses end at the fake. */
async function listed(more: (url: string) => Partial<ModelProviderOptions> = () => ({})) {
  const fleet = await setup((url) => ({
    env: parseModelEnv({ OPENAI_API_KEY: "k", ANTHROPIC_API_KEY: "k" }),
    fetch: async (input, init) => {
      const { origin, pathname } = new URL(input instanceof Request ? input.url : input);
      const isProvider = [ANTHROPIC, OPENAI].some((address) => address.startsWith(origin));
      return globalThis.fetch(isProvider ? `${new URL(url).origin}${pathname}` : input, init);
    },
    ...more(url),
  }));
  fleet.fake.setReply(() => ({ text: "x", usage: tokens }));
  const receiptOf = async (name: string): Promise<unknown> => {
    const model = await fleet.provider.getModel(name);
    const request = { input: "hi", modelSettings: {}, tools: [], handoffs: [], outputType: "text" as const, tracing: false };
    for await (const event of model.getStreamedResponse(request)) {
      if (event.type === "response_done") return event.response.providerData?.["flotilla"];
    }
    return undefined;
  };
  return { ...fleet, receiptOf };
}

test("a call that the provider itself takes costs its list price, cache included, where nobody says otherwise", async () => {
  await using fleet = await listed();
  // 300 × 3 + 400 × 0.3 + 300 × 3.75 + 50 × 15 dollars for a million.
  expect(await fleet.receiptOf("anthropic/claude-sonnet-4-6")).toMatchObject({ costSource: "list", costMicroUsd: 2_895 });
  // 600 × 0.75 + 400 × 0.075 + 50 × 4.5: writing to its cache costs nothing more.
  expect(await fleet.receiptOf("gpt-5.4-mini")).toMatchObject({ costSource: "list", costMicroUsd: 705 });
});

test("the fleet's own price goes before the list, also where it does not cover all that was used", async () => {
  await using fleet = await listed(() => ({
    prices: { "gpt-5.4-mini": { input: 1, cachedInput: 1, cacheWriteInput: 1, output: 1 }, "gpt-5.4": { input: 1, output: 1 } },
  }));
  expect(await fleet.receiptOf("gpt-5.4-mini")).toMatchObject({ costSource: "prices", costMicroUsd: 1_050 });
  expect(await fleet.receiptOf("gpt-5.4")).toMatchObject({ costSource: "unknown" });
});

test("another server has no list price, whatever its models are called", async () => {
  await using fleet = await listed((url) => ({ env: parseModelEnv({ OPENAI_API_KEY: "k", OPENAI_BASE_URL: url, LITELLM_BASE_URL: url }) }));
  for (const name of ["gpt-5.4-mini", "anthropic/claude-sonnet-4-6"]) {
    const receipt = await fleet.receiptOf(name);
    expect(receipt).toMatchObject({ costSource: "unknown" });
    expect(receipt).not.toHaveProperty("costMicroUsd");
  }
  await using tenants = await listed((url) => ({ credentials: () => ({ apiKey: "k", baseURL: url }) }));
  expect(await tenants.receiptOf("gpt-5.4-mini")).toMatchObject({ costSource: "unknown" });
});

describe("the list", () => {
  const costOf = async (name: string, counts = tokens, raw: unknown = {}): Promise<number | undefined> =>
    (await listPriceOf(name, ANTHROPIC))?.(counts, raw);

  test("is asked for a model by its name, with or without its date, and never for one that only begins like it", async () => {
    expect(await costOf("claude-haiku-4-5")).toBe(await costOf("claude-haiku-4-5-20251001"));
    expect(await costOf("claude-haiku-4-5")).toBeGreaterThan(0);
    expect(await costOf("claude-sonnet-5")).toBeGreaterThan(0);
    expect(await costOf("claude-sonnet-5-5")).toBeUndefined();
    expect(await costOf("claude-never-made")).toBeUndefined();
  });

  test("is not asked for models that search the web for a fee that no answer shows", async () => {
    expect((await listPriceOf("gpt-4o", OPENAI))?.(tokens, {})).toBeGreaterThan(0);
    for (const name of ["gpt-4o-search-preview", "gpt-4o-mini-search-preview-2025-03-11"]) {
      expect((await listPriceOf(name, OPENAI))?.(tokens, {})).toBeUndefined();
    }
  });

  test("tells an hour in the cache from five minutes", async () => {
    const written = { ...tokens, cachedInputTokens: 0, cacheWriteInputTokens: 1_000, outputTokens: 0 };
    expect(await costOf("claude-sonnet-4-6", written)).toBe(3_750);
    expect(await costOf("claude-sonnet-4-6", written, { cache_creation: { ephemeral_1h_input_tokens: 400 } })).toBe(4_650);
  });

  test("knows nothing of counts that contradict each other, nor of an address that is none", async () => {
    expect(await costOf("claude-sonnet-4-6", { ...tokens, inputTokens: 10 })).toBeUndefined();
    expect(await listPriceOf("claude-sonnet-4-6", "nowhere")).toBeUndefined();
  });

  const plain = { output: [{ type: "message" }] };
  test.each([
    ["another tier that was asked for", { modelSettings: { providerData: { service_tier: "flex" } } }, plain],
    ["another tier that was served", { modelSettings: {} }, { ...plain, providerData: { service_tier: "priority" } }],
    ["another place", { modelSettings: {} }, { ...plain, rawUsage: { inference_geo: "us" } }],
    ["another speed", { modelSettings: {} }, { ...plain, rawUsage: { speed: "fast" } }],
    ["a search of the web", { modelSettings: {} }, { ...plain, rawUsage: { server_tool_use: { web_search_requests: 1 } } }],
    ["searches that were asked for", { modelSettings: { providerData: { web_search_options: {} } } }, plain],
    ["a hosted tool", { modelSettings: {} }, { output: [{ type: "hosted_tool_call" }] }],
    ["audio", { modelSettings: {} }, { ...plain, rawUsage: { prompt_tokens_details: { audio_tokens: 7 } } }],
  ])("is not for %s", (_, request, answer) => {
    expect(isPlainCall(request, answer)).toBe(false);
    const usual = { service_tier: "standard", inference_geo: "global", server_tool_use: { web_search_requests: 0 } };
    expect(isPlainCall({ modelSettings: {} }, { ...plain, providerData: { service_tier: "default" }, rawUsage: usual })).toBe(true);
  });
});
