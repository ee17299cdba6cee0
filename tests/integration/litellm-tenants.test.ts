/** Promise: behind a LiteLLM proxy each tenant's calls carry its own key and name, and what the proxy refuses means what it means. */
import { Agent } from "@openai/agents";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { FakeRule } from "../../src/testing/fake-provider.ts";
import { type HeaderRecorder, startHeaderRecorder } from "../support/header-recorder.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { MASTER_KEY, UPSTREAM_KEY, useProxyBench } from "../support/litellm.ts";
import { keysHolding } from "../support/redis-contents.ts";

const MODEL = "anthropic/claude-sonnet-4-6";
const DOORS = ["chat", "messages"];
const answer = z.object({ city: z.string(), degrees: z.number() });

const metadataSchema = z.object({ run_id: z.string(), hop: z.int(), attempt: z.int(), tenant: z.string() });
const metadataOf = ({ headers }: HeaderRecorder["calls"][number]): z.infer<typeof metadataSchema> =>
  metadataSchema.parse(JSON.parse(String(headers["x-litellm-spend-logs-metadata"])));

/** Answers no tenant before all of `names` have asked. */
function together(names: readonly string[]): FakeRule {
  const asked = new Set<string>();
  const all = Promise.withResolvers<void>();
  return async ({ lastUserText }) => {
    asked.add(lastUserText);
    if (names.every((name) => asked.has(name))) all.resolve();
    await all.promise;
    return { text: `for ${lastUserText}` };
  };
}

/** The types of a run's events until it waits. */
async function untilSuspended(run: { events(): AsyncIterable<{ readonly type: string }> }): Promise<string[]> {
  const types = [];
  for await (const { type } of run.events()) {
    types.push(type);
    if (type === "run.suspended") break;
  }
  return types;
}

describe("tenants behind a real proxy", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const bench = useProxyBench({
    // Longer than a test: what ends a call here is not its time limit.
    settings: { request_timeout: 600 },
    general: { custom_auth: "litellm-keys.authenticate", custom_auth_run_common_checks: true, cancel_on_disconnect: true },
    files: ["litellm-keys.py"],
  });

  async function open(api: string, stream = true) {
    const local = await setupInProcess(() => ({}));
    const recorder = await startHeaderRecorder(bench().proxy.url);
    const clerk = new Agent({ name: "clerk", instructions: "Answer", model: MODEL });
    const fleet = local.fleet(
      { clerk: { agent: clerk, stream } },
      {
        env: { LITELLM_BASE_URL: `${recorder.url}/v1`, LITELLM_API_KEY: MASTER_KEY, FLOTILLA_LITELLM_API: api },
        credentials: ({ tenant }) => (tenant === "default" ? undefined : { apiKey: `sk-${tenant}` }),
      },
    );
    await fleet.worker(local.workerOptions);
    return {
      ...local,
      fleet,
      recorder,
      async [Symbol.asyncDispose]() {
        await local[Symbol.asyncDispose]();
        await recorder[Symbol.asyncDispose]();
      },
    };
  }

  test.each(DOORS)("F2: calls of two tenants at the same time carry each its own key and names, by the %s door", async (api) => {
    await using local = await open(api);
    bench().fake.setReply(together(["acme", "globex"]));
    const tenants = ["acme", "globex"];
    const runs = await Promise.all(tenants.map((tenant) => local.fleet.submit("clerk", tenant, { tenant })));
    expect(await Promise.all(runs.map((run) => run.output()))).toEqual(["for acme", "for globex"]);
    expect(local.recorder.calls).toHaveLength(2);
    for (const [index, tenant] of tenants.entries()) {
      const call = local.recorder.calls.find(({ body }) => body.includes(`"${tenant}"`));
      expect(call?.headers).toMatchObject({
        authorization: `Bearer sk-${tenant}`,
        "x-litellm-tags": `tenant:${tenant},agent:clerk`,
        "x-litellm-end-user-id": tenant,
      });
      expect(call && metadataOf(call)).toMatchObject({ run_id: runs[index]?.id, tenant });
    }
  });

  test("F3: a call that is made again keeps its run and says that it is another attempt", async () => {
    await using local = await open("messages");
    let failures = 1;
    bench().fake.setFaults(() => (failures-- > 0 ? { status: 500 } : undefined));
    const run = await local.fleet.submit("clerk", "hi", { tenant: "acme" });
    expect(await run.result()).toMatchObject({ status: "completed" });
    const [first, second] = local.recorder.calls.map(metadataOf);
    expect(first).toMatchObject({ run_id: run.id, hop: 0 });
    expect(second).toEqual({ ...first, attempt: (first?.attempt ?? 0) + 1 });
  });

  test.each([
    ["chat", false],
    ["chat", true],
    ["messages", false],
    ["messages", true],
  ])("R6: a cancelled run ends its call at the provider, by the %s door (streamed: %s)", async (api, stream) => {
    await using local = await open(api, stream);
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    bench().fake.setReply((_call, signal) => {
      signal.addEventListener("abort", () => gone.resolve());
      arrived.resolve();
      return new Promise(() => {});
    });
    const run = await local.fleet.submit("clerk", "hi", { tenant: "acme" });
    await arrived.promise;
    await run.cancel();
    expect(await run.result()).toMatchObject({ status: "cancelled" });
    await gone.promise;
    expect(bench().fake.calls.at(-1)).toMatchObject({ streamed: stream, isServed: false });
  });

  test.each(DOORS)("F5: a key whose budget is spent fails the run at once, by the %s door", async (api) => {
    await using local = await open(api);
    const before = bench().fake.calls.length;
    const run = await local.fleet.submit("clerk", "hi", { tenant: "broke" });
    expect(await run.result()).toMatchObject({ status: "failed", error: { code: "MODEL_QUOTA_SPENT" } });
    expect(local.recorder.calls).toHaveLength(1);
    expect(bench().fake.calls).toHaveLength(before);
  });

  test.each(DOORS)("F6: a key that calls too often waits without a slot and without a retry, by the %s door", async (api) => {
    await using local = await open(api);
    const tenant = `${api}-slow`;
    expect(await (await local.fleet.submit("clerk", "hi", { tenant })).output()).toBe("hello");
    const run = await local.fleet.submit("clerk", "again", { tenant });
    expect(await untilSuspended(run)).toEqual(["run.queued", "attempt.started", "run.suspended"]);
    expect(await run.status()).toMatchObject({ status: "suspended", suspension: "lane" });
  });

  test.each(DOORS)("F6: a provider's rate limit suspends the run until it is over, by the %s door", async (api) => {
    await using local = await open(api);
    bench().fake.setFaults(() => ({ status: 429, headers: { "retry-after": "600" } }));
    const run = await local.fleet.submit("clerk", "hi");
    expect(await untilSuspended(run)).toEqual(["run.queued", "attempt.started", "run.suspended"]);
    expect(await run.status()).toMatchObject({ status: "suspended", suspension: "lane" });
  });

  test("F7: the answer and its tokens are the same by the proxy's two doors and without it", async () => {
    await using local = await setupInProcess(() => ({}));
    bench().fake.setReply(({ outputSchema }) => ({ text: outputSchema === undefined ? "no schema" : '{"city":"Oslo","degrees":4}' }));
    const proxied = { LITELLM_BASE_URL: `${bench().proxy.url}/v1`, LITELLM_API_KEY: MASTER_KEY };
    const ways = [
      { ...proxied, FLOTILLA_LITELLM_API: "chat" },
      { ...proxied, FLOTILLA_LITELLM_API: "messages" },
      { ANTHROPIC_BASE_URL: bench().fake.origin, ANTHROPIC_API_KEY: UPSTREAM_KEY },
    ];
    const results = [];
    for (const [index, env] of ways.entries()) {
      const agent = new Agent({ name: "reporter", instructions: "Report", model: MODEL, outputType: answer });
      const fleet = local.fleet({ reporter: agent }, { env, prefix: `${local.prefix}-${index}` });
      await fleet.worker(local.workerOptions);
      results.push(await (await fleet.submit("reporter", "How is it?")).result());
    }
    const same = { status: "completed", output: { city: "Oslo", degrees: 4 }, usage: { requests: 1, inputTokens: 4, outputTokens: 7 } };
    expect(results).toMatchObject([same, same, same]);
  });

  test.each(DOORS)("F8: no key stands in Redis, whether the call is answered or refused, by the %s door", async (api) => {
    await using local = await open(api);
    await (await local.fleet.submit("clerk", "hi", { tenant: "acme" })).result();
    bench().fake.setFaults(() => ({ status: 401, errorMessage: `Wrong key: ${UPSTREAM_KEY}, sk-acme` }));
    const refused = await local.fleet.submit("clerk", "hi", { tenant: "acme" });
    expect(await refused.result()).toMatchObject({ status: "failed", error: { code: "MODEL_KEY_REJECTED" } });
    expect(await keysHolding(local.redis(), ["sk-acme", UPSTREAM_KEY, MASTER_KEY])).toEqual([]);
    expect(JSON.stringify(local.log.records)).not.toContain("sk-");
  });
});
