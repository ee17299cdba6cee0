/** Message batches against a provider on loopback: what is checked, what is sent where, and what a failure means. */
import { Agent } from "@openai/agents";
import { describe, expect, test } from "vitest";
import {
  createFleet,
  createMessageBatches,
  FleetError,
  type MessageBatchesOptions,
  type MessageBatchRequest,
  openAICompatible,
} from "../../../src/index.ts";
import { all, ask, KEY, setup } from "./batch-bench.ts";

describe("create", () => {
  test("sends the requests under Anthropic's own names, with key and version, and tells what was made", async () => {
    await using bench = await setup({ models: { best: "anthropic/claude-y" } });
    const made = await bench.batches.create([ask("a"), ask("b", "ho", { model: "best", temperature: 0.5 })], {
      betas: ["output-300k-2026-03-24"],
    });
    expect(made).toMatchObject({ status: "in_progress", counts: { processing: 2, succeeded: 0 }, createdAtMs: bench.clock.nowMs() });
    expect(made).not.toHaveProperty("results_url");
    const messages = (content: string) => [{ role: "user", content }];
    expect(bench.fake.batchCalls).toMatchObject([
      {
        method: "POST",
        path: "/v1/messages/batches",
        headers: { "x-api-key": KEY, "anthropic-version": "2023-06-01", "anthropic-beta": "output-300k-2026-03-24" },
      },
    ]);
    expect(bench.fake.batchCalls[0]?.body).toEqual({
      requests: [
        { custom_id: "a", params: { model: "claude-x", max_tokens: 100, messages: messages("hi") } },
        { custom_id: "b", params: { model: "claude-y", max_tokens: 100, messages: messages("ho"), temperature: 0.5 } },
      ],
    });
  });

  test.each<[why: string, requests: MessageBatchRequest[], code: string, at: string]>([
    ["none", [], "INPUT_INVALID", "requests"],
    ["a customId that comes twice", [ask("a"), ask("a")], "INPUT_INVALID", "requests.1.customId"],
    ["a customId that Anthropic refuses", [ask("a b")], "INPUT_INVALID", "requests.0.customId"],
    ["a stream", [ask("a", "hi", { stream: true })], "INPUT_INVALID", "requests.0.params.stream"],
    ["no tokens", [ask("a", "hi", { max_tokens: 0 })], "INPUT_INVALID", "requests.0.params.max_tokens"],
    ["a model of somebody else", [ask("a", "hi", { model: "gpt-5.2" })], "INPUT_INVALID", "requests.params.model"],
    ["more than 100,000", Array.from({ length: 100_001 }, () => ask("a")), "INPUT_TOO_LARGE", "requests"],
  ])("refuses %s before anything is sent, without quoting a prompt", async (_why, requests, code, at) => {
    await using bench = await setup();
    const refused = bench.batches.create(requests);
    await expect(refused).rejects.toMatchObject({ code, at });
    await expect(refused).rejects.not.toThrow(/"hi"/);
    expect(bench.fake.batchCalls).toEqual([]);
  });

  test("refuses more bytes than Anthropic takes", async () => {
    await using bench = await setup();
    const text = "x".repeat(90_000_000);
    await expect(bench.batches.create([ask("a", text), ask("b", text), ask("c", text)])).rejects.toMatchObject({
      code: "INPUT_TOO_LARGE",
      message: expect.stringContaining("requests.2") as unknown,
    });
  });

  test.each([
    ["the connection is cut", { reset: true }],
    ["the answer is cut", { cut: 20 }],
    ["a gateway gives up", { status: 504 }],
    ["a gateway fails", { status: 502 }],
  ])("whose answer is lost because %s is not sent again, and says how to find out", async (_why, fault) => {
    await using bench = await setup();
    bench.fake.setBatchFaults(() => fault);
    const lost = bench.batches.create([ask("a"), ask("b")]);
    await expect(lost).rejects.toMatchObject({
      code: "MESSAGE_BATCH_UNCONFIRMED",
      remedy: expect.stringMatching(/list\(\).*2 requests created from 2023-11-14T22:13:20\.000Z/) as unknown,
    });
    expect(bench.fake.batchCalls).toHaveLength(1);
    bench.fake.setBatchFaults(undefined);
    const { batches } = await bench.batches.list();
    expect(batches.map(({ counts }) => counts.processing)).toEqual("status" in fault ? [] : [2]);
  });

  test("whose answer says nothing of a batch may have made one; such an answer to a look is refused", async () => {
    await using bench = await setup();
    const odd: typeof fetch = async (input, init) => {
      await (await fetch(input, init)).body?.cancel();
      return Response.json({ secret: true });
    };
    const batches = createMessageBatches({ env: bench.env, fetch: odd });
    await expect(batches.create([ask("a")])).rejects.toMatchObject({ code: "MESSAGE_BATCH_UNCONFIRMED" });
    const look = batches.get("msgbatch_1");
    await expect(look).rejects.toMatchObject({ code: "MODEL_CALL_FAILED" });
    await expect(look).rejects.not.toThrow(/secret/);
  });

  test.each([
    ["an error of the fleet's", new FleetError("INPUT_INVALID", "The form was closed.")],
    ["what looks like a refusal", Object.assign(new Error("no"), { name: "APIError", status: 400 })],
  ])("whose caller gives up with %s is unconfirmed all the same", async (_what, reason) => {
    await using bench = await setup();
    const giveUp = new AbortController();
    bench.fake.setBatchFaults(() => {
      giveUp.abort(reason);
      return { hang: true };
    });
    await expect(bench.batches.create([ask("a")], { signal: giveUp.signal })).rejects.toMatchObject({ code: "MESSAGE_BATCH_UNCONFIRMED" });
    expect(bench.fake.batchCalls).toHaveLength(1);
  });

  test.each([
    ["EHOSTUNREACH", "connect", "MODEL_UNAVAILABLE"],
    ["ENETUNREACH", "connect", "MODEL_UNAVAILABLE"],
    ["EHOSTUNREACH", "read", "MESSAGE_BATCH_UNCONFIRMED"],
    ["ENETUNREACH", "write", "MESSAGE_BATCH_UNCONFIRMED"],
  ])("that ends with %s at a %s is %s: what is unreachable now may have been reached before", async (code, syscall, told) => {
    const cause = Object.assign(new Error("no way"), { code, syscall });
    const fetch: typeof globalThis.fetch = () => Promise.reject(new TypeError("fetch failed", { cause }));
    const batches = createMessageBatches({ env: { ANTHROPIC_API_KEY: KEY }, fetch });
    await expect(batches.create([ask("a")])).rejects.toMatchObject({ code: told });
  });

  test("whose caller gives up while it is under way is unconfirmed, and before that is not sent", async () => {
    await using bench = await setup();
    const giveUp = new AbortController();
    bench.fake.setBatchFaults(() => {
      giveUp.abort("enough");
      return { hang: true };
    });
    await expect(bench.batches.create([ask("a")], { signal: giveUp.signal })).rejects.toMatchObject({ code: "MESSAGE_BATCH_UNCONFIRMED" });
    await expect(bench.batches.create([ask("a")], { signal: giveUp.signal })).rejects.toBe("enough");
    expect(bench.fake.batchCalls).toHaveLength(1);
  });

  test.each([
    [{ status: 429, headers: { "retry-after": "7" } }, "MODEL_RATE_LIMITED"],
    [{ status: 529 }, "MODEL_UNAVAILABLE"],
    [{ status: 400 }, "MODEL_CALL_FAILED"],
    [{ status: 401, errorMessage: `invalid x-api-key ${KEY}` }, "MODEL_KEY_REJECTED"],
    [{ status: 402 }, "MODEL_QUOTA_SPENT"],
  ])("that is refused (%o) was not made, and says so without the key", async (fault, code) => {
    await using bench = await setup();
    bench.fake.setBatchFaults(() => fault);
    const error: unknown = await bench.batches.create([ask("a")]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(KEY);
    expect(error).not.toHaveProperty("cause");
  });

  test("that reaches nobody was not made", async () => {
    const { fake } = await setup();
    await fake.close();
    const batches = createMessageBatches({ env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: fake.origin } });
    await expect(batches.create([ask("a")])).rejects.toMatchObject({
      code: "MODEL_UNAVAILABLE",
      message: expect.stringContaining("ECONNREFUSED") as unknown,
    });
  });
});

describe("the way there", () => {
  test("each tenant's calls use its own key (I11)", async () => {
    const credentials: MessageBatchesOptions["credentials"] = ({ tenant, provider }) => ({ apiKey: `sk-${provider}-${tenant}` });
    await using bench = await setup({ tenant: "acme", credentials });
    await bench.batches.list();
    expect(bench.fake.batchCalls[0]?.headers).toMatchObject({ "x-api-key": "sk-anthropic-acme" });
  });

  test("a proxy is asked below /anthropic, and told whose batch it is in the body; Anthropic is not told", async () => {
    await using bench = await setup();
    const env = { LITELLM_BASE_URL: `${bench.fake.origin}/v1`, LITELLM_API_KEY: "sk-virtual" };
    await createMessageBatches({ env, tenant: "acme, ☂" }).create([ask("a")]);
    await bench.batches.create([ask("a")]);
    const [byProxy, direct] = bench.fake.batchCalls;
    expect(byProxy).toMatchObject({
      path: "/anthropic/v1/messages/batches",
      headers: { authorization: "Bearer sk-virtual" },
      body: { litellm_metadata: { tags: ["tenant:acme%2C%20%E2%98%82"], spend_logs_metadata: { tenant: "acme, ☂" } } },
    });
    expect(direct?.body).not.toHaveProperty("litellm_metadata");
  });

  test("a redirect is not followed: no other address gets key or prompts", async () => {
    await using elsewhere = await setup();
    await using bench = await setup();
    bench.fake.setBatchFaults(() => ({ status: 307, headers: { location: `${elsewhere.fake.origin}/v1/messages/batches` } }));
    const refused = { code: "MODEL_CALL_FAILED", at: "ANTHROPIC_BASE_URL" };
    await expect(bench.batches.create([ask("a")])).rejects.toMatchObject(refused);
    await expect(bench.batches.get("msgbatch_1")).rejects.toMatchObject(refused);
    expect(elsewhere.fake.batchCalls).toEqual([]);
  });

  test.each(["../../v1/complete", "a/b", "", "x?y=1", "https://evil.example/"])(
    "an id that leads elsewhere (%j) is refused",
    async (id) => {
      await using bench = await setup();
      await expect(bench.batches.get(id)).rejects.toMatchObject({ code: "INPUT_INVALID", at: "id" });
      await expect(all(bench.batches.results(id))).rejects.toMatchObject({ code: "INPUT_INVALID" });
      await expect(bench.batches.delete(id)).rejects.toMatchObject({ code: "INPUT_INVALID" });
      expect(bench.fake.batchCalls).toEqual([]);
    },
  );

  test("a fleet's own options will do", async () => {
    const options = { models: { best: "anthropic/claude-y" }, credentials: () => ({ apiKey: "sk-acme" }) };
    const fleet = createFleet({ agents: { a: new Agent({ name: "a" }) }, ...options });
    await using bench = await setup();
    await createMessageBatches({ ...fleet.options, env: bench.env }).create([ask("a", "hi", { model: "best" })]);
    expect(bench.fake.batchCalls).toMatchObject([
      { headers: { "x-api-key": "sk-acme" }, body: { requests: [{ params: { model: "claude-y" } }] } },
    ]);
  });

  test("a server of one's own under Anthropic's prefix is refused: nobody knows whether it has batches", () => {
    const models = { anthropic: openAICompatible({ baseURL: "http://127.0.0.1:1/v1" }) };
    const refused = expect.objectContaining({ code: "INPUT_INVALID", at: "models.anthropic" }) as unknown;
    expect(() => createMessageBatches({ env: {}, models })).toThrow(refused);
  });

  test("without a key there is no call", async () => {
    const batches = createMessageBatches({ env: {} });
    await expect(batches.list()).rejects.toMatchObject({ code: "MODEL_KEY_MISSING" });
  });

  test("lists pages, youngest first", async () => {
    await using bench = await setup();
    const ids = [];
    for (const customId of ["a", "b", "c"]) ids.push((await bench.batches.create([ask(customId)])).id);
    const first = await bench.batches.list({ limit: 2 });
    const second = await bench.batches.list({ limit: 2, ...(first.next === undefined ? {} : { after: first.next }) });
    expect([...first.batches, ...second.batches].map(({ id }) => id)).toEqual(ids.toReversed());
    expect(second.next).toBeUndefined();
    await expect(bench.batches.list({ limit: 0 })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  test("a batch that is cancelled ends so, asked once or twice; one that has ended is deleted", async () => {
    await using bench = await setup({}, { batchPolls: 5 });
    const { id } = await bench.batches.create([ask("a")]);
    await expect(bench.batches.delete(id)).rejects.toMatchObject({ code: "MODEL_CALL_FAILED" });
    expect(await bench.batches.cancel(id)).toMatchObject({ status: "canceling" });
    await bench.batches.cancel(id);
    expect(await bench.batches.wait(id)).toMatchObject({ status: "ended", counts: { canceled: 1 } });
    expect(await all(bench.batches.results(id))).toEqual([{ customId: "a", type: "canceled" }]);
    await bench.batches.delete(id);
    await expect(bench.batches.get(id)).rejects.toMatchObject({ code: "MODEL_CALL_FAILED" });
  });
});
