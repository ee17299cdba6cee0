/** Whose call it is, told to the proxy; what it cost, told by it. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Agent, Runner, withTrace } from "@openai/agents";
import { describe, expect, test } from "vitest";
import type { Caller } from "../../../src/models/attribution.ts";
import { parseModelEnv } from "../../../src/models/env.ts";
import { createModelProvider } from "../../../src/models/provider.ts";
import { openAICompatible } from "../../../src/models/servers.ts";
import { caller, openai, setup } from "./routed-models.ts";

test.each(["chat", "messages"])("the proxy is told whose call it is; tenants at once are never mixed up (I11, %s door)", async (door) => {
  const callers = new AsyncLocalStorage<Caller>();
  await using fleet = await setup((url) => ({
    env: parseModelEnv({ LITELLM_BASE_URL: url, FLOTILLA_LITELLM_API: door }),
    currentCaller: () => callers.getStore(),
  }));
  // Answers come in another order than the calls, so that a header kept anywhere but with its call would be another's.
  fleet.fake.setReply(({ lastUserText }) => ({ text: lastUserText, delayMs: Number(lastUserText) }));
  const model = await fleet.provider.getModel("anthropic/claude-x");
  const runner = new Runner({ tracingDisabled: true });
  const tenants = Array.from({ length: 12 }, (_, index) => `tenant-${index}`);
  await Promise.all(
    tenants.map((tenant, index) =>
      callers.run(caller({ tenant, tags: [`project-${index}`], agent: "Rückgabe, A", runId: `run-${index}`, attempt: 2 }), async () => {
        const result = await runner.run(new Agent({ name: "a", model }), String(12 - index), { stream: true });
        await result.completed;
      }),
    ),
  );
  const seen = fleet.fake.calls.map(({ headers }) => [
    headers["x-litellm-end-user-id"],
    headers["x-litellm-tags"],
    JSON.parse(String(headers["x-litellm-spend-logs-metadata"])),
  ]);
  expect(seen.toSorted(([a], [b]) => Number(String(a).slice(7)) - Number(String(b).slice(7)))).toEqual(
    tenants.map((tenant, index) => [
      tenant,
      `tenant:${tenant},agent:R%C3%BCckgabe%2C%20A,project-${index}`,
      { run_id: `run-${index}`, hop: 0, attempt: 2, agent: "Rückgabe, A", tenant },
    ]),
  );
  const raw = fleet.fake.calls.map(({ headers }) => String(headers["x-litellm-spend-logs-metadata"]));
  expect(raw.join("")).toMatch(/^[\x20-\x7e]*$/);
});

test("nobody but the proxy is told whose call it is (I11)", async () => {
  await using fleet = await setup((url) => ({
    env: parseModelEnv({ OPENAI_API_KEY: "k", OPENAI_BASE_URL: url, ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: url }),
    models: { local: openAICompatible({ baseURL: url }) },
    currentCaller: () => caller({ tenant: "acme" }),
  }));
  for (const model of ["gpt-x", "anthropic/claude-x", "local/llama"]) await fleet.ask(model);
  expect(fleet.fake.calls).toHaveLength(3);
  expect(JSON.stringify(fleet.fake.calls)).not.toMatch(/acme|x-litellm/);
});

describe("a receipt", () => {
  const request = { input: "hi", modelSettings: {}, tools: [], handoffs: [], outputType: "text" as const, tracing: false };
  const usage = { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 };
  const receiptOf = async (fleet: Awaited<ReturnType<typeof setup>>, name: string, stream = false): Promise<unknown> => {
    const model = await fleet.provider.getModel(name);
    if (!stream) return (await withTrace("a call of its own", () => model.getResponse(request))).providerData?.["flotilla"];
    for await (const event of model.getStreamedResponse(request)) {
      if (event.type === "response_done") return event.response.providerData?.["flotilla"];
    }
    return undefined;
  };

  test.each(["chat", "messages"])("holds what the proxy says it cost, under the proxy's id (%s door)", async (door) => {
    await using fleet = await setup((url) => ({
      env: parseModelEnv({ LITELLM_BASE_URL: url, FLOTILLA_LITELLM_API: door }),
      prices: { "anthropic/claude-x": { input: 1, output: 1 } },
    }));
    const headers = { "x-litellm-response-cost": "0.002895", "x-litellm-call-id": "call-1" };
    fleet.fake.setReply(() => ({ text: "x", headers }));
    expect(await receiptOf(fleet, "anthropic/claude-x")).toMatchObject({
      provider: "litellm",
      callId: "call-1",
      costSource: "proxy",
      costMicroUsd: 2_895,
    });
  });

  test("is reckoned from the fleet's prices where nobody says, with what the cache took and gave", async () => {
    const price = { input: 3, cachedInput: 0.3, cacheWriteInput: 3.75, output: 15 };
    await using fleet = await setup((url) => ({
      env: parseModelEnv({ ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: url }),
      prices: { fast: price },
      models: { fast: "anthropic/claude-x" },
    }));
    fleet.fake.setReply(() => ({ text: "x", usage }));
    const expected = { provider: "anthropic", costSource: "prices", costMicroUsd: 2_895, cacheWriteInputTokens: 300 };
    expect(await receiptOf(fleet, "fast")).toMatchObject({ ...expected, callId: expect.stringMatching(/^req_/) as unknown });
    expect(await receiptOf(fleet, "fast", true)).toMatchObject(expected);
  });

  test.each([
    ["at the price that the table has for it", { cacheWrite1hInput: 6 }, { costSource: "prices", costMicroUsd: 3_345 }],
    ["and is unknown where the table has none", {}, { costSource: "unknown" }],
  ])("counts what was written to the cache for an hour %s", async (_what, more, expected) => {
    await using fleet = await setup((url) => ({
      env: parseModelEnv({ ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: url }),
      prices: { "anthropic/claude-x": { input: 3, cachedInput: 0.3, cacheWriteInput: 3.75, output: 15, ...more } },
      fetch: async (input, init) => {
        const answer = await (await globalThis.fetch(input, init)).text();
        return new Response(answer.replace('"usage":{', '"usage":{"cache_creation":{"ephemeral_1h_input_tokens":200},'));
      },
    }));
    fleet.fake.setReply(() => ({ text: "x", usage }));
    // 300 × 3 + 400 × 0.3 + 100 × 3.75 + 200 × 6 + 50 × 15
    expect(await receiptOf(fleet, "anthropic/claude-x")).toMatchObject(expected);
  });

  test("says unknown, and no number, where there is no price for all that was used", async () => {
    await using fleet = await setup((url) => ({
      ...openai(url),
      prices: { "gpt-cached": { input: 3, output: 15 } },
    }));
    fleet.fake.setReply(() => ({ text: "x", usage }));
    for (const name of ["gpt-x", "gpt-cached"]) {
      const receipt = await receiptOf(fleet, name);
      expect(receipt).toMatchObject({ costSource: "unknown" });
      expect(receipt).not.toHaveProperty("costMicroUsd");
    }
  });

  test("takes no cost from a server that is no proxy of the fleet's", async () => {
    await using fleet = await setup((url) => ({ models: { local: openAICompatible({ baseURL: url }) } }));
    fleet.fake.setReply(() => ({ text: "x", headers: { "x-litellm-response-cost": "0" } }));
    expect(await receiptOf(fleet, "local/llama")).toEqual({
      provider: "local",
      costSource: "unknown",
      callId: expect.any(String) as unknown,
    });
  });

  test("prices that are none are refused with the place", () => {
    const make = () => createModelProvider({ env: parseModelEnv({}), prices: { "gpt-x": { input: -1, output: 1 } } });
    expect(make).toThrow(expect.objectContaining({ code: "INPUT_INVALID", at: "prices.gpt-x.input" }));
  });
});
