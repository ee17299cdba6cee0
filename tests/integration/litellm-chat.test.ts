/**
 * What a real LiteLLM proxy makes of Chat Completions for Claude: what goes to the provider, what comes back. The fleet builds on each of
 * these; docs/how-to/litellm.md tells which of them surprise, with the proxy's version.
 */
import { describe, expect, test } from "vitest";
import { forgottenThinking, MASTER_KEY, type ProxyReply, thinkingRule, UPSTREAM_KEY, useProxyBench } from "../support/litellm.ts";
import { until } from "../support/redis-servers.ts";

const SONNET = "anthropic/claude-sonnet-4-6";
const messages = [
  { role: "system", content: "Be brief" },
  { role: "user", content: "hi" },
];
const schema = {
  type: "object",
  properties: { count: { type: "number", minimum: 3 }, word: { type: "string", maxLength: 4 } },
  required: ["count", "word"],
};
const response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema } };

describe("chat completions through a real proxy", { tags: ["litellm", "processes", "slow"] }, () => {
  // Longer than a test: what ends a call here is not its time limit.
  const bench = useProxyBench({ settings: { request_timeout: 600 } });

  const ask = (body: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = {}): Promise<ProxyReply> =>
    bench().post("/v1/chat/completions", { model: SONNET, messages, ...body }, headers);
  const sent = ({ upstream }: ProxyReply): unknown => upstream[0]?.body;

  test("C1, C2, C8: a call is one call to the Messages API, with the system text at the top and the upstream's own key", async () => {
    const reply = await ask({});
    expect(reply.body).toMatchObject({ choices: [{ finish_reason: "stop", message: { content: "hello" } }] });
    expect(reply.upstream).toHaveLength(1);
    expect(reply.upstream[0]).toMatchObject({
      path: "/v1/messages",
      headers: { "x-api-key": UPSTREAM_KEY, "anthropic-version": "2023-06-01" },
    });
    expect(sent(reply)).toMatchObject({
      model: "claude-sonnet-4-6",
      system: [{ type: "text", text: "Be brief" }],
      messages: [{ role: "user" }],
    });
    expect(JSON.stringify(reply.upstream)).not.toContain(MASTER_KEY);
  });

  test("C3, C4, C5, C6: without max_tokens a known model gets its own maximum, an unknown one 4096", async () => {
    expect(sent(await ask({}))).toMatchObject({ max_tokens: 128_000 });
    expect(sent(await ask({ model: "unknown" }))).toMatchObject({ max_tokens: 4_096 });
    expect(sent(await ask({ max_tokens: 123 }))).toMatchObject({ max_tokens: 123 });
    expect(sent(await ask({ max_completion_tokens: 77 }))).toMatchObject({ max_tokens: 77 });
  });

  test("C14: reasoning effort becomes adaptive thinking, or a budget for an older model, and nonsense is refused without a call", async () => {
    for (const [effort, expected] of [
      ["minimal", "low"],
      ["low", "low"],
      ["medium", "medium"],
      ["high", "high"],
    ]) {
      expect(sent(await ask({ reasoning_effort: effort }))).toMatchObject({
        thinking: { type: "adaptive" },
        output_config: { effort: expected },
      });
    }
    expect(sent(await ask({ reasoning_effort: "none" }))).not.toHaveProperty("thinking");
    const budgets = [];
    for (const effort of ["low", "medium", "high"]) {
      budgets.push(sent(await ask({ model: "legacy-thinking", max_tokens: 20_000, reasoning_effort: effort })));
    }
    expect(budgets).toMatchObject([1_024, 2_048, 4_096].map((budget) => ({ thinking: { type: "enabled", budget_tokens: budget } })));
    expect(await ask({ reasoning_effort: "banana" })).toMatchObject({ status: 400, upstream: [] });
  });

  test("C15: SURPRISE: an older model's thinking budget is not held below max_tokens", async () => {
    const reply = await ask({ model: "legacy-thinking", max_tokens: 1_000, reasoning_effort: "high" });
    expect(sent(reply)).toMatchObject({ max_tokens: 1_000, thinking: { budget_tokens: 4_096 } });
  });

  test("C16: a schema goes out as a native format for a model that has it, with its limits put into words", async () => {
    const reply = await ask({ response_format });
    expect(reply.upstream[0]?.headers["anthropic-beta"]).toContain("structured-outputs-2025-11-13");
    expect(sent(reply)).toMatchObject({
      output_format: { type: "json_schema", schema: { additionalProperties: false, properties: { count: { type: "number" } } } },
    });
    expect(JSON.stringify(sent(reply))).not.toMatch(/"minimum"|"maxLength"|json_tool_call/);
  });

  test("C17: a schema goes out as a forced tool for any other model, whose input comes back as the answer's text", async () => {
    bench().fake.setReply(() => ({ toolCalls: [{ name: "json_tool_call", arguments: { count: 3, word: "four" } }] }));
    const reply = await ask({ model: "unknown", response_format });
    expect(sent(reply)).toMatchObject({ tools: [{ name: "json_tool_call" }], tool_choice: { type: "tool", name: "json_tool_call" } });
    expect(reply.body).toMatchObject({ choices: [{ finish_reason: "stop", message: { content: '{"count": 3, "word": "four"}' } }] });
  });

  test("C9, C10, C11, C12: tools keep their names on both sides, and their choice is translated", async () => {
    bench().fake.setReply(({ tools }) => ({ toolCalls: [{ name: tools[0] ?? "", arguments: { a: 1 } }] }));
    const tools = [{ type: "function", function: { name: "a.b c", description: "d", parameters: { type: "object", properties: {} } } }];
    const reply = await ask({ tools, tool_choice: "required", parallel_tool_calls: false, stop: ["X"] });
    expect(sent(reply)).toMatchObject({
      tools: [{ name: "a_b_c", input_schema: { type: "object" } }],
      tool_choice: { type: "any", disable_parallel_tool_use: true },
      stop_sequences: ["X"],
    });
    expect(reply.body).toMatchObject({
      choices: [{ finish_reason: "tool_calls", message: { tool_calls: [{ function: { name: "a.b c" } }] } }],
    });
    expect(sent(await ask({ tools, tool_choice: "none" }))).toMatchObject({ tool_choice: { type: "none" } });
    const named = { type: "function", function: { name: "a.b c" } };
    expect(sent(await ask({ tools, tool_choice: named }))).toMatchObject({ tool_choice: { type: "tool", name: "a_b_c" } });
    const untyped = [{ type: "function", function: { name: "f", parameters: { properties: {} } } }];
    expect(sent(await ask({ tools: untyped }))).toMatchObject({ tools: [{ name: "f", input_schema: { type: "object" } }] });
  });

  test("C13: top_p is passed on to a model that takes it, and left out for one that does not", async () => {
    expect(sent(await ask({ top_p: 0.9 }))).toMatchObject({ top_p: 0.9 });
    const reply = await ask({ model: "anthropic/claude-opus-5", top_p: 0.9 });
    expect(reply).toMatchObject({ status: 200 });
    expect(sent(reply)).not.toHaveProperty("top_p");
  });

  test("C18, C19: the user is passed on unless it looks like a person, and the proxy's own fields never are", async () => {
    const reply = await ask({ user: "tenant_1", metadata: { tags: ["t"] }, litellm_metadata: { a: 1 } });
    expect(sent(reply)).toMatchObject({ metadata: { user_id: "tenant_1" } });
    expect(JSON.stringify(sent(reply))).not.toMatch(/tags|litellm_metadata/);
    expect(sent(await ask({ user: "a@b.co" }))).not.toHaveProperty("metadata");
  });

  test("C20, C21: a thinking block comes back with its signature, and goes out again first in its turn", async () => {
    bench().fake.setReply(() => ({ reasoning: "hm", text: "hello" }));
    const reply = await ask({ reasoning_effort: "low" });
    const block = { type: "thinking", thinking: "hm", signature: expect.stringMatching(/^sig_/) as unknown };
    expect(reply.body).toMatchObject({ choices: [{ message: { reasoning_content: "hm", thinking_blocks: [block] } }] });
    const calls = [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }];
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }];
    const turn = [
      { role: "assistant", content: null, tool_calls: calls, thinking_blocks: [{ type: "thinking", thinking: "hm", signature: "sig_1" }] },
      { role: "tool", tool_call_id: "call_1", content: "done" },
    ];
    const again = await ask({ messages: [...messages, ...turn], tools, reasoning_effort: "low" });
    expect(sent(again)).toMatchObject({
      messages: [
        { role: "user" },
        {
          role: "assistant",
          content: [
            { type: "thinking", signature: "sig_1" },
            { type: "tool_use", id: "call_1" },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1" }] },
      ],
    });
  });

  test("C21: a tool turn without its thinking blocks goes out with thinking off, which the provider takes", async () => {
    bench().fake.setFaults(thinkingRule);
    const reply = await ask({ model: "legacy-thinking", ...forgottenThinking });
    expect(reply).toMatchObject({ status: 200 });
    expect(sent(reply)).not.toHaveProperty("thinking");
  });

  test("C23, C24: the cost stands in a header, with what the prompt cache took and gave", async () => {
    bench().fake.setReply(() => ({
      text: "x",
      usage: { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 },
    }));
    const { headers, body } = await ask({});
    // 300 at $3, 400 at $0.30, 300 at $3.75, 50 at $15 a million.
    expect(Number(headers.get("x-litellm-response-cost"))).toBeCloseTo(0.002895, 9);
    expect(body).toMatchObject({
      usage: { prompt_tokens: 1_000, prompt_tokens_details: { cached_tokens: 400, cache_creation_tokens: 300 } },
    });
    for (const name of ["call-id", "model-id", "model-group", "version"]) expect(headers.get(`x-litellm-${name}`)).toBeTruthy();
  });

  test("C22: a stream has no cost header and tells the cost in its last chunk", async () => {
    const { headers, text } = await ask({ stream: true, stream_options: { include_usage: true } });
    expect(headers.get("x-litellm-response-cost")).toBeNull();
    expect(headers.get("x-litellm-call-id")).toBeTruthy();
    const chunks = text.split("\n").filter((line) => line.startsWith("data: {"));
    expect(JSON.parse(chunks.at(-1)?.slice(6) ?? "")).toMatchObject({ usage: { prompt_tokens: 3, cost: expect.any(Number) as unknown } });
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
  });

  test("C23: SURPRISE: an unpriced model has no cost header, but others that say 0.0", async () => {
    const { headers } = await ask({ model: "unknown" });
    expect(headers.get("x-litellm-response-cost")).toBeNull();
    expect(headers.get("x-litellm-response-cost-original")).toBe("0.0");
  });

  test("C25: SURPRISE: a client's anthropic-beta and anthropic-version stop at the proxy", async () => {
    const { upstream } = await ask({}, { "anthropic-beta": "foo-2026", "anthropic-version": "2026-10-21" });
    expect(upstream[0]?.headers["anthropic-version"]).toBe("2023-06-01");
    expect(upstream[0]?.headers["anthropic-beta"]).toBeUndefined();
  });

  test("R3: SURPRISE: a rate limit comes back as 429 with the provider's retry-after under another name", async () => {
    bench().fake.setFaults(() => ({ status: 429, headers: { "retry-after": "7" } }));
    const { status, headers, upstream } = await ask({});
    expect(status).toBe(429);
    expect(upstream).toHaveLength(1);
    expect(headers.get("retry-after")).toBeNull();
    expect(headers.get("llm_provider-retry-after")).toBe("7");
  });

  test("R1, R5: an overloaded provider is a 500, and a name with a fallback is served by it", async () => {
    bench().fake.setFaults((call) => (call.model === "claude-haiku-4-5" ? { status: 529 } : undefined));
    const served = await ask({ model: "flaky" });
    expect(served).toMatchObject({ status: 200 });
    expect(served.upstream.map(({ model }) => model)).toEqual(["claude-haiku-4-5", "claude-sonnet-4-6"]);
    expect(Number(served.headers.get("x-litellm-attempted-fallbacks"))).toBe(1);
    bench().fake.setFaults(() => ({ status: 529 }));
    expect(await ask({})).toMatchObject({ status: 500 });
  });

  test("R2, R4: a header asks for retries by the proxy, and another for a time limit", async () => {
    bench().fake.setFaults(() => ({ status: 500 }));
    expect((await ask({}, { "x-litellm-num-retries": "2" })).upstream).toHaveLength(3);
    bench().fake.setFaults(() => ({ hang: true }));
    expect(await ask({}, { "x-litellm-timeout": "1" })).toMatchObject({ status: 408 });
  });

  test("R7, R9: a mocked model and a name that is not listed call nobody", async () => {
    const mocked = await ask({ model: "mocked" });
    expect(mocked).toMatchObject({ upstream: [], body: { choices: [{ message: { content: "hello from mock" } }] } });
    expect(await ask({ model: "nobody" })).toMatchObject({ status: 400, upstream: [] });
  });

  test("R6: SURPRISE: a caller who hangs up leaves the call running to its end, and to be paid", async () => {
    const arrived = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<{ text: string }>();
    bench().fake.setReply((call) => {
      if (call.lastUserText !== "slowly") return { text: "hello" };
      arrived.resolve();
      return answer.promise;
    });
    const caller = new AbortController();
    const call = bench().send(
      "/v1/chat/completions",
      { model: SONNET, messages: [{ role: "user", content: "slowly" }] },
      {},
      caller.signal,
    );
    await arrived.promise;
    caller.abort();
    await expect(call).rejects.toThrow();
    // Time enough for the proxy to have seen it.
    for (let index = 0; index < 5; index += 1) await ask({});
    const record = bench().fake.calls.at(-6);
    answer.resolve({ text: "paid" });
    await until("the provider has answered", 10_000, async () => record?.isServed === true);
  });

  test.each(["/v1/chat/completions", "/v1/messages"])(
    "R6: a caller who hangs up in a stream of %s ends it at its next piece",
    async (path) => {
      const gone = Promise.withResolvers<void>();
      bench().fake.setReply((_call, signal) => {
        signal.addEventListener("abort", () => gone.resolve());
        return { text: "hello ".repeat(2_000), chunkDelayMs: 100 };
      });
      const caller = new AbortController();
      const body = { model: SONNET, messages: messages.slice(1), max_tokens: 100, stream: true };
      const { body: stream } = await bench().send(path, body, {}, caller.signal);
      await stream?.getReader().read();
      caller.abort();
      await gone.promise;
      expect(bench().fake.calls.at(-1)).toMatchObject({ streamed: true, isServed: false });
    },
  );

  test("R8: it says without a key that it lives and is ready", async () => {
    const ready = await fetch(`${bench().proxy.url}/health/readiness`);
    expect(await ready.json()).toMatchObject({ status: expect.stringMatching(/^(healthy|connected)$/) as unknown });
    const live = await fetch(`${bench().proxy.url}/health/liveliness`);
    expect(await live.json()).toBe("I'm alive!");
  });

  test("R5: a provider that fails in the middle of a stream is an error in the stream", async () => {
    bench().fake.setReply(() => ({ text: "hello hello hello hello", finishReason: "failed" }));
    const { status, text } = await ask({ stream: true });
    expect(status).toBe(200);
    expect(text).toContain('data: {"error": {"message": "litellm.InternalServerError');
    expect(text).not.toContain("[DONE]");
  });
});
