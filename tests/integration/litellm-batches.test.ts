/** Message Batches through a real proxy's `/anthropic/*`: what reaches the provider, and what never leaves for anywhere else. */
import { afterAll, describe, expect, test } from "vitest";
import { createMessageBatches, type MessageBatchResult } from "../../src/index.ts";
import { type FakeProvider, startFakeProvider } from "../../src/testing/fake-provider.ts";
import { MASTER_KEY, PASSTHROUGH_KEY, useProxyBench } from "../support/litellm.ts";

const request = (customId: string, text = "hi") => ({
  customId,
  params: { model: "anthropic/claude-sonnet-4-6", max_tokens: 100, messages: [{ role: "user", content: text }] },
});

describe("message batches through a real proxy", { tags: ["litellm", "processes", "slow"] }, () => {
  let trap: FakeProvider | undefined;
  const bench = useProxyBench({
    provider: async () => {
      trap = await startFakeProvider();
      return { resultsOrigin: trap.origin, batchPolls: 0 };
    },
  });
  afterAll(async () => trap?.close());

  function setup() {
    const { fake, proxy } = bench();
    const before = fake.batchCalls.length;
    const env = { LITELLM_BASE_URL: `${proxy.url}/v1`, LITELLM_API_KEY: MASTER_KEY };
    return { batches: createMessageBatches({ env, tenant: "acme, Ltd." }), upstream: () => fake.batchCalls.slice(before) };
  }

  async function collect(results: AsyncIterable<MessageBatchResult>): Promise<MessageBatchResult[]> {
    const all: MessageBatchResult[] = [];
    for await (const result of results) all.push(result);
    return all;
  }

  test("P7: each call on batches reaches the provider by its path with the provider's key; it learns neither the proxy's nor the tenant", async () => {
    const { batches, upstream } = setup();
    const { id } = await batches.create([request("a"), request("b")], { betas: ["output-300k-2026-03-24"] });
    await batches.cancel(id);
    await batches.wait(id);
    await batches.list({ limit: 1 });
    const results = await collect(batches.results(id));
    await batches.delete(id);
    expect(results.map(({ customId, type }) => [customId, type])).toEqual([
      ["b", "canceled"],
      ["a", "canceled"],
    ]);
    expect(upstream().map(({ method, path }) => `${method} ${path.replace(id, "<id>")}`)).toEqual([
      "POST /v1/messages/batches",
      "POST /v1/messages/batches/<id>/cancel",
      "GET /v1/messages/batches/<id>",
      "GET /v1/messages/batches?limit=1",
      "GET /v1/messages/batches/<id>",
      "GET /v1/messages/batches/<id>/results",
      "DELETE /v1/messages/batches/<id>",
    ]);
    for (const { headers } of upstream()) {
      expect(headers).toMatchObject({ "x-api-key": PASSTHROUGH_KEY, "anthropic-version": "2023-06-01" });
    }
    expect(upstream()[0]?.headers).toMatchObject({ "anthropic-beta": "output-300k-2026-03-24" });
    expect(upstream()[0]?.body).toEqual({
      requests: ["a", "b"].map((customId) => ({
        custom_id: customId,
        params: { model: "claude-sonnet-4-6", max_tokens: 100, messages: [{ role: "user", content: "hi" }] },
      })),
    });
    expect(JSON.stringify(upstream())).not.toMatch(/sk-test-master|acme|litellm/);
  });

  test("P7: a results_url that leads past the proxy gets no request, and the results come", async () => {
    const { batches } = setup();
    bench().fake.setReply(({ lastUserText }) => ({ text: `You said ${lastUserText}` }));
    const { id } = await batches.create([request("a", "one"), request("b", "two")]);
    await batches.wait(id);
    const results = await collect(batches.results(id));
    expect(results).toMatchObject([
      { customId: "b", message: { content: [{ text: "You said two" }] }, costMicroUsd: undefined },
      { customId: "a", message: { content: [{ text: "You said one" }] }, costMicroUsd: undefined },
    ]);
    const told = await fetch(`${bench().proxy.url}/anthropic/v1/messages/batches/${id}`, {
      headers: { authorization: `Bearer ${MASTER_KEY}` },
    });
    // The proxy hands the trap on as the provider made it.
    expect(await told.json()).toMatchObject({ results_url: `${trap?.origin ?? ""}/v1/messages/batches/${id}/results` });
    expect(trap?.batchCalls).toEqual([]);
  });

  test("P7: results that break off behind the proxy are taken up again, and none comes twice", async () => {
    const { batches, upstream } = setup();
    const { id } = await batches.create(["a", "b", "c"].map((customId) => request(customId)));
    await batches.wait(id);
    let cuts = 0;
    bench().fake.setBatchFaults(({ path }) => {
      if (!path.endsWith("/results") || cuts > 0) return undefined;
      cuts += 1;
      return { cut: 300 };
    });
    expect((await collect(batches.results(id))).map(({ customId }) => customId)).toEqual(["c", "b", "a"]);
    expect(upstream().filter(({ path }) => path.endsWith("/results"))).toHaveLength(2);
  });

  test("P7: what the provider refuses of batches keeps its meaning", async () => {
    const { batches } = setup();
    bench().fake.setBatchFaults(() => ({ status: 429, headers: { "retry-after": "7" } }));
    await expect(batches.create([request("a")])).rejects.toMatchObject({ code: "MODEL_RATE_LIMITED", remedy: "try again in 7000 ms" });
    bench().fake.setBatchFaults(() => ({ status: 400 }));
    await expect(batches.create([request("a")])).rejects.toMatchObject({ code: "MODEL_CALL_FAILED" });
    bench().fake.setBatchFaults(() => ({ reset: true }));
    await expect(batches.create([request("a")])).rejects.toMatchObject({ code: "MESSAGE_BATCH_UNCONFIRMED" });
  });

  test("P7: SURPRISE: the proxy hands x-litellm headers on to the provider, so whose batch it is stands in the body", async () => {
    const { upstream } = setup();
    await fetch(`${bench().proxy.url}/anthropic/v1/messages/batches`, {
      headers: { authorization: `Bearer ${MASTER_KEY}`, "x-litellm-tags": "tenant:acme" },
    });
    expect(upstream()[0]?.headers).toMatchObject({ "x-litellm-tags": "tenant:acme" });
  });
});
