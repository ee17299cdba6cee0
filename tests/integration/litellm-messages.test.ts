/** The proxy's two Anthropic doors, `/v1/messages` and `/anthropic/*`, and Claude on Azure: what reaches the provider, and what comes back. */
import { describe, expect, test } from "vitest";
import { AZURE_KEY, MASTER_KEY, PASSTHROUGH_KEY, type ProxyReply, UPSTREAM_KEY, useProxyBench } from "../support/litellm.ts";

const SONNET = "anthropic/claude-sonnet-4-6";
const messages = [{ role: "user", content: "hi" }];

describe("messages through a real proxy", { tags: ["litellm", "processes", "slow"] }, () => {
  const bench = useProxyBench({
    models: ({ origin }) => ({
      "azure-whole": { model: "azure_ai/claude-sonnet-4-6", api_key: AZURE_KEY, api_base: `${origin}/anthropic/v1/messages` },
      "azure-as-anthropic": { model: "anthropic/claude-sonnet-4-6", api_key: AZURE_KEY, api_base: `${origin}/anthropic` },
    }),
  });

  const ask = (body: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = {}): Promise<ProxyReply> =>
    bench().post("/v1/messages?beta=true", { model: SONNET, max_tokens: 100, messages, ...body }, headers);

  test("M1: max_tokens is asked for, and nobody is called without it", async () => {
    expect(await ask({ max_tokens: undefined })).toMatchObject({ status: 400, upstream: [] });
  });

  test("M2, M3, M5, M9: the alias becomes the provider's name, the key the provider's, and the client's version and schema go along", async () => {
    const format = { type: "json_schema", schema: { type: "object", properties: { n: { type: "number", minimum: 3 } } } };
    const reply = await ask({ output_config: { format }, litellm_metadata: { a: 1 } }, { "anthropic-version": "2026-10-21" });
    const [call] = reply.upstream;
    expect(call).toMatchObject({ path: "/v1/messages", model: "claude-sonnet-4-6", headers: { "x-api-key": UPSTREAM_KEY } });
    expect(call?.headers).toMatchObject({ "anthropic-version": "2026-10-21", "anthropic-beta": "structured-outputs-2025-11-13" });
    // As it was given: unlike the chat door, this one does not rewrite what Anthropic would refuse.
    expect(call?.body).toMatchObject({ output_config: { format } });
    expect(JSON.stringify(reply.upstream)).not.toMatch(/litellm_metadata|sk-test-master/);
  });

  test("M6: the user goes along", async () => {
    const { upstream } = await ask({ metadata: { user_id: "tenant_1" } });
    expect(upstream[0]?.body).toMatchObject({ metadata: { user_id: "tenant_1" } });
  });

  test("prompt-cache marks and thinking blocks go out as they were given", async () => {
    const cache_control = { type: "ephemeral" };
    const thinking = { type: "thinking", thinking: "hm", signature: "sig_1" };
    const turns = [
      ...messages,
      { role: "assistant", content: [thinking, { type: "tool_use", id: "call_1", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "done", cache_control }] },
    ];
    const system = [{ type: "text", text: "Be brief", cache_control }];
    const tools = [{ name: "f", input_schema: { type: "object", properties: {} } }];
    const { upstream } = await ask({ system, messages: turns, tools, thinking: { type: "adaptive" } });
    expect(upstream[0]?.body).toMatchObject({ system, messages: turns, thinking: { type: "adaptive" } });
  });

  test.each(["authorization", "x-api-key", "x-litellm-api-key"])("M4: the proxy's key is taken from %s", async (name) => {
    const value = name === "authorization" ? `Bearer ${MASTER_KEY}` : MASTER_KEY;
    const response = await fetch(`${bench().proxy.url}/v1/messages`, {
      method: "POST",
      headers: { [name]: value, "content-type": "application/json" },
      body: JSON.stringify({ model: SONNET, max_tokens: 10, messages }),
    });
    expect(response.status).toBe(200);
    expect(JSON.stringify(bench().fake.calls.at(-1)?.headers)).not.toContain(MASTER_KEY);
  });

  test("M4: SURPRISE: without a database a wrong key is a 400, not a 401", async () => {
    const reply = await ask({}, { authorization: "Bearer sk-wrong" });
    expect(reply).toMatchObject({ status: 400, upstream: [], body: { error: { type: "no_db_connection" } } });
  });

  test("M7, M8: the cost stands in a header, and in the last delta of a stream", async () => {
    const usage = { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 };
    bench().fake.setReply(() => ({ text: "x", usage }));
    expect(Number((await ask({})).headers.get("x-litellm-response-cost"))).toBeCloseTo(0.002895, 9);
    const { headers, text } = await ask({ stream: true });
    expect(headers.get("x-litellm-response-cost")).toBeNull();
    expect(headers.get("x-litellm-call-id")).toBeTruthy();
    const delta = text.split("\n").find((line) => line.includes('"message_delta"'));
    expect(JSON.parse(delta?.slice(6) ?? "")).toMatchObject({ usage: { output_tokens: 50, cost: 0.002895 } });
    expect([...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name)).toEqual([
      "message_start",
      "ping",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
  });

  test("a model that is not Anthropic's answers in the same form", async () => {
    const reply = await ask({ model: "gpt-x" });
    expect(reply.body).toMatchObject({ type: "message", content: [{ type: "text", text: "hello" }], stop_reason: "end_turn" });
    expect(reply.upstream[0]).toMatchObject({ api: "responses" });
  });

  test("R3: SURPRISE: a rate limit keeps its type and loses its retry-after", async () => {
    bench().fake.setFaults(() => ({ status: 429, headers: { "retry-after": "7" } }));
    const limited = await ask({});
    expect(limited).toMatchObject({ status: 429, body: { type: "error", error: { type: "rate_limit_error" } } });
    expect([...limited.headers].filter(([name]) => name.endsWith("retry-after"))).toEqual([]);
  });

  test("R5: an overload becomes a 500, and an overload in a stream keeps its type", async () => {
    bench().fake.setFaults(() => ({ status: 529 }));
    expect(await ask({})).toMatchObject({ status: 500, body: { error: { type: "api_error" } } });
    bench().fake.setFaults(undefined);
    bench().fake.setReply(() => ({ text: "hello", finishReason: "failed" }));
    expect((await ask({ stream: true })).text).toContain('"type":"overloaded_error"');
  });

  test("M10: tokens are counted", async () => {
    const { body } = await bench().post("/v1/messages/count_tokens", { model: SONNET, messages });
    expect(body).toMatchObject({ input_tokens: 1 });
  });

  describe("passed through by /anthropic", () => {
    const pass = (body: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = {}): Promise<ProxyReply> =>
      bench().post("/anthropic/v1/messages?x=1", { model: "claude-sonnet-4-6", max_tokens: 10, messages, ...body }, headers);

    test("P1, P2, P3, P4, P6: body, query and versions are the client's, the key is the provider's own", async () => {
      const versions = { "anthropic-version": "2026-10-21", "anthropic-beta": "foo-2026" };
      const reply = await pass({ litellm_metadata: { a: 1 } }, { "x-api-key": MASTER_KEY, ...versions });
      const [call] = reply.upstream;
      expect(call).toMatchObject({ path: "/v1/messages?x=1", headers: { "x-api-key": PASSTHROUGH_KEY, ...versions } });
      expect(call?.body).toEqual({ model: "claude-sonnet-4-6", max_tokens: 10, messages });
      expect(JSON.stringify(reply.upstream)).not.toContain(MASTER_KEY);
    });

    test("P6: the proxy's key goes no further, whichever header brings it", async () => {
      for (const name of ["authorization", "x-api-key", "x-litellm-api-key", "cookie"]) {
        const reply = await pass({}, { [name]: name === "authorization" ? `Bearer ${MASTER_KEY}` : MASTER_KEY });
        expect(reply).toMatchObject({ status: 200, upstream: [{ headers: { "x-api-key": PASSTHROUGH_KEY } }] });
        expect(JSON.stringify(reply.upstream[0]?.headers)).not.toContain(MASTER_KEY);
      }
    });

    test("P5: SURPRISE: a stream arrives as it was sent, but for the last delta, which is told its cost", async () => {
      const call = { model: "claude-sonnet-4-6", max_tokens: 10, messages, stream: true };
      const direct = await fetch(`${bench().fake.origin}/v1/messages`, { method: "POST", body: JSON.stringify(call) });
      const said = (await direct.text()).replaceAll(bench().fake.calls.at(-1)?.id ?? "?", "ID").split("\n");
      const reply = await pass({ stream: true });
      const heard = reply.text.replaceAll(reply.upstream[0]?.id ?? "?", "ID").split("\n");
      const changed = heard.filter((line, index) => line !== said[index]);
      expect(heard).toHaveLength(said.length);
      expect(changed.map((line) => JSON.parse(line.slice(6)))).toMatchObject([
        { type: "message_delta", usage: { output_tokens: 2, cost: expect.any(Number) as unknown } },
      ]);
    });

    test("P10: a path that nobody knows gets the provider's own answer", async () => {
      const reply = await bench().post("/anthropic/v1/nothing", {});
      expect(reply).toMatchObject({ status: 404 });
      expect(reply.text).toContain("No route /v1/nothing.");
    });

    test("P8: the call has an id and no cost", async () => {
      const { headers } = await pass({});
      expect(headers.get("x-litellm-call-id")).toBeTruthy();
      expect(headers.get("x-litellm-response-cost")).toBeNull();
    });

    test("P9: a rate limit arrives with its retry-after", async () => {
      bench().fake.setFaults(() => ({ status: 429, headers: { "retry-after": "7" } }));
      const { status, headers } = await pass({});
      expect(status).toBe(429);
      expect(headers.get("retry-after")).toBe("7");
    });
  });

  describe("Claude on Azure", () => {
    test.each(["azure_ai/claude-sonnet-4-6", "azure-bare", "azure-whole"])(
      "A1, A2, A3: %s is called below /anthropic by both doors, with Azure's key",
      async (model) => {
        const chat = await bench().post("/v1/chat/completions", { model, messages });
        const direct = await ask({ model });
        for (const { upstream, status } of [chat, direct]) {
          expect(status).toBe(200);
          expect(upstream).toMatchObject([{ path: "/anthropic/v1/messages", headers: { "x-api-key": AZURE_KEY } }]);
        }
        expect(chat.upstream[0]?.headers["api-key"]).toBe(AZURE_KEY);
      },
    );

    test("A4: under Anthropic's prefix an address on Azure gets the suffix by both doors", async () => {
      const chat = await bench().post("/v1/chat/completions", { model: "azure-as-anthropic", messages });
      const direct = await ask({ model: "azure-as-anthropic" });
      for (const { upstream } of [chat, direct]) expect(upstream).toMatchObject([{ path: "/anthropic/v1/messages" }]);
    });
  });
});
