/** Promise: Claude through a LiteLLM proxy is a model like any other, by both of its doors: durable, attributed, and its cost known. */
import { Agent, tool } from "@openai/agents";
import { describe, expect, inject, test } from "vitest";
import { z } from "zod";
import type { RunEvent } from "../../src/index.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { AZURE_KEY, MASTER_KEY, useProxyBench } from "../support/litellm.ts";
import { commandLine, emptyFolder } from "../unit/cli/cli-process.ts";

const MODEL = "anthropic/claude-sonnet-4-6";
const answer = z.object({ city: z.string(), degrees: z.number() });

const weather = tool({
  name: "weather",
  description: "Tells the weather",
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `4 degrees in ${city}`,
});

/** Thinks, asks for the weather, hands over, and answers in the asked form. */
const rule = ({ handoffs, tools, toolResults, outputSchema }: FakeCall): FakeReply => {
  if (outputSchema !== undefined) return { text: JSON.stringify({ city: "Oslo", degrees: 4 }) };
  if (toolResults.length === 0) return { reasoning: "Look first.", toolCalls: [{ name: tools[0] ?? "", arguments: { city: "Oslo" } }] };
  return { toolCalls: [{ name: handoffs[0] ?? "", arguments: {} }] };
};

function team(stream: boolean, model = MODEL) {
  const reporter = new Agent({ name: "reporter", instructions: "Report", model, outputType: answer });
  const scout = Agent.create({
    name: "scout",
    instructions: "Look",
    model,
    tools: [weather],
    handoffs: [reporter],
    modelSettings: { reasoning: { effort: "low" } },
  });
  return { scout: { agent: scout, stream }, reporter: { agent: reporter, stream } };
}

const WAYS: [string, boolean][] = [
  ["chat", false],
  ["chat", true],
  ["messages", false],
  ["messages", true],
];

type Turn = Extract<RunEvent, { type: "turn.completed" }>;

describe("a fleet through a real proxy", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const bench = useProxyBench();
  const envFor = (api: string) => ({
    LITELLM_BASE_URL: `${bench().proxy.url}/v1`,
    LITELLM_API_KEY: MASTER_KEY,
    FLOTILLA_LITELLM_API: api,
  });

  test.each(WAYS)("F1: a team's run costs what its calls cost, by the %s door (streamed: %s)", async (api, stream) => {
    bench().fake.setReply((call) => ({
      ...rule(call),
      usage: { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 },
    }));
    await using local = await setupInProcess(rule);
    const fleet = local.fleet(team(stream), { env: envFor(api) });
    await fleet.worker(local.workerOptions);
    const before = bench().fake.calls.length;
    const run = await fleet.submit("scout", "How is it in Oslo?", { tenant: "acme" });
    expect(await run.result()).toMatchObject({
      status: "completed",
      agent: "reporter",
      output: { city: "Oslo", degrees: 4 },
      usage: { requests: 3, pricedRequests: 3, costMicroUsd: 3 * 2_895, cachedInputTokens: 1_200, cacheWriteInputTokens: 900 },
    });
    const turns: Turn[] = [];
    for await (const event of run.events()) if (event.type === "turn.completed") turns.push(event);
    expect(turns.map(({ receipt }) => receipt)).toMatchObject(
      Array.from({ length: 3 }, () => ({ provider: "litellm", costSource: "proxy", costMicroUsd: 2_895 })),
    );
    expect(new Set(turns.map(({ receipt }) => receipt?.callId)).size).toBe(3);
    const bodies = bench()
      .fake.calls.slice(before)
      .map(({ body }) => body);
    expect(bodies).toHaveLength(3);
    // The signature is what Anthropic asks for, and what Chat Completions has no place for.
    expect(JSON.stringify(bodies[1])).toMatch(api === "messages" ? /"signature":"sig_/ : /^(?!.*"signature")/);
  });

  test.each(WAYS)("A1, A2: a team's run on Azure costs what its calls cost, by the %s door (streamed: %s)", async (api, stream) => {
    bench().fake.setReply(rule);
    await using local = await setupInProcess(rule);
    const fleet = local.fleet(team(stream, "azure_ai/claude-sonnet-4-6"), { env: envFor(api) });
    await fleet.worker(local.workerOptions);
    const before = bench().fake.calls.length;
    const run = await fleet.submit("scout", "How is it in Oslo?", { tenant: "acme" });
    expect(await run.result()).toMatchObject({
      status: "completed",
      agent: "reporter",
      output: { city: "Oslo", degrees: 4 },
      usage: { requests: 3, pricedRequests: 3 },
    });
    const calls = bench().fake.calls.slice(before);
    const azure = { path: "/anthropic/v1/messages", model: "claude-sonnet-4-6", streamed: stream, headers: { "x-api-key": AZURE_KEY } };
    expect(calls).toMatchObject([azure, azure, azure]);
  });

  test("no key of the proxy or of the provider reaches the run's record, its events or the log", async () => {
    await using local = await setupInProcess(rule);
    bench().fake.setFaults(() => ({ status: 401, errorMessage: `Incorrect API key provided: ${MASTER_KEY}` }));
    const fleet = local.fleet(team(false), { env: envFor("messages") });
    await fleet.worker(local.workerOptions);
    const run = await fleet.submit("scout", "hi");
    const result = await run.result();
    expect(result).toMatchObject({ status: "failed", error: { code: "MODEL_KEY_REJECTED" } });
    const store = local.store();
    const told = JSON.stringify([result, await store.get(run.id), await store.events(run.id, "0-0", 100), local.log.records]);
    expect(told).not.toMatch(/sk-/);
  });

  // A busy machine takes longer to start a proxy than a test may take.
  const restarted = { timeout: 180_000 };
  test("F4: a proxy that is gone is waited for: the run goes on where it was when the proxy is back", restarted, async () => {
    bench().fake.setReply(rule);
    await using local = await setupInProcess(rule);
    const away = Promise.withResolvers<void>();
    let isKilled = false;
    const fleet = local.fleet(team(true), {
      env: envFor("messages"),
      context: async () => {
        // Once, between the first agent's hop and the second's.
        if (!isKilled && bench().fake.calls.length === 2 + before) {
          isKilled = true;
          await bench().proxy.kill();
          away.resolve();
        }
        return {};
      },
    });
    const before = bench().fake.calls.length;
    await fleet.worker(local.workerOptions);
    const run = await fleet.submit("scout", "How is it in Oslo?");
    await away.promise;
    for await (const event of run.events()) if (event.type === "run.retrying") break;
    await bench().proxy.restart();
    expect(await run.result()).toMatchObject({ status: "completed", agent: "reporter", usage: { requests: 3 } });
    // What was answered before the proxy went is not asked again (I4).
    expect(bench().fake.calls.length - before).toBe(3);
  });

  test("the doctor finds the proxy, its release and what it lists, and calls a wrong key one, without a call to a model", async () => {
    const before = bench().fake.calls.length;
    const env = { REDIS_URL: inject("redisUrl"), ...envFor("chat") };
    const healthy = await commandLine(env, emptyFolder()).run(["doctor"]);
    expect(healthy.out).toMatch(/ok +models at litellm +127\.0\.0\.1:\d+ takes the key; models listed: 9\./);
    expect(healthy.out).toMatch(/ok +models at litellm +LiteLLM 1\.108\.11\./);
    const wrong = await commandLine({ ...env, LITELLM_API_KEY: "sk-wrong" }, emptyFolder()).run(["doctor"]);
    expect(wrong.out).toMatch(/BAD +models at litellm .* rejects the key/);
    expect(wrong.code).toBe(1);
    expect(bench().fake.calls).toHaveLength(before);
  });
});
