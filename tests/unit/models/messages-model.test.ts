/** Claude by the Messages API: through the SDK's own runner, against a provider on loopback. */
import { Agent, handoff, ModelRefusalError, type Model, Runner, tool } from "@openai/agents";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { authHeaders } from "../../../src/models/anthropic/endpoint.ts";
import { createMessagesModel } from "../../../src/models/anthropic/messages-model.ts";
import { classifyFailure } from "../../../src/models/classify.ts";
import { type FakeCallRecord, type FakeReply, type FakeRule, startFakeProvider } from "../../../src/testing/fake-provider.ts";

async function setup(reply: FakeRule | FakeReply = { text: "hello" }) {
  const fake = await startFakeProvider({ reply: typeof reply === "function" ? reply : () => reply });
  const model = createMessagesModel("claude-x", { baseURL: fake.origin, headers: authHeaders("anthropic", "sk-test") });
  const run = async (agent: ReturnType<typeof agentOf>, stream: boolean, input = "hi") => {
    const runner = new Runner({ tracingDisabled: true });
    if (!stream) return runner.run(agent, input);
    const result = await runner.run(agent, input, { stream: true });
    await result.completed;
    return result;
  };
  const bodies = (): unknown[] => fake.calls.map(({ body }: FakeCallRecord) => body);
  return { fake, model, run, bodies, [Symbol.asyncDispose]: () => fake.close() };
}

const agentOf = (model: Model, more: Partial<ConstructorParameters<typeof Agent>[0]> = {}) =>
  new Agent({ name: "a", model, instructions: "Be brief", ...more });

const weather = tool({
  name: "weather",
  description: "Tells the weather",
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `rain in ${city}`,
});

const usesWeather: FakeRule = ({ toolResults }) =>
  toolResults[0] === undefined
    ? { reasoning: "I should look", text: "Looking.", toolCalls: [{ name: "weather", arguments: { city: "Oslo" }, id: "toolu_1" }] }
    : { text: `It is: ${toolResults[0].output}` };

describe.each([false, true])("streamed: %s", (stream) => {
  test("an answer arrives with all of its usage, cache reads and writes told apart", async () => {
    const usage = { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 };
    await using bench = await setup({ text: "hello", usage });
    const result = await bench.run(agentOf(bench.model), stream);
    expect(result.finalOutput).toBe("hello");
    const { usage: counted } = result.state;
    expect(counted).toMatchObject({ requests: 1, inputTokens: 1_000, outputTokens: 50 });
    expect(counted.inputTokensDetails).toEqual([{ cached_tokens: 400, cache_write_tokens: 300 }]);
    expect(bench.bodies()).toEqual([
      {
        model: "claude-x",
        max_tokens: 32_000,
        system: [{ type: "text", text: "Be brief", cache_control: { type: "ephemeral" } }],
        messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
        ...(stream ? { stream: true } : {}),
      },
    ]);
    expect(bench.fake.calls[0]?.headers).toMatchObject({ "x-api-key": "sk-test", "anthropic-version": "2023-06-01" });
  });

  test("thinking goes back, signature and all, before the call it led to, and the result's message is marked for the cache", async () => {
    await using bench = await setup(usesWeather);
    const agent = agentOf(bench.model, { tools: [weather], modelSettings: { reasoning: { effort: "minimal" } } });
    const result = await bench.run(agent, stream);
    expect(result.finalOutput).toBe("It is: rain in Oslo");
    const cache_control = { type: "ephemeral" };
    const [first, second] = bench.bodies();
    expect(first).toMatchObject({
      thinking: { type: "adaptive" },
      output_config: { effort: "low" },
      tools: [{ name: "weather", description: "Tells the weather", input_schema: { type: "object", required: ["city"] } }],
      messages: [{ role: "user", content: [{ type: "text", text: "hi", cache_control }] }],
    });
    expect(second).toMatchObject({
      messages: [
        { role: "user", content: [{ type: "text", text: "hi" }] },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "I should look", signature: expect.stringMatching(/^sig_/) as unknown },
            { type: "text", text: "Looking." },
            { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Oslo" } },
          ],
        },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "rain in Oslo" }], cache_control }],
        },
      ],
    });
  });

  test("an output type is a native format, with the limits that the API refuses put into words", async () => {
    await using bench = await setup({ text: '{"count":4,"word":"four"}' });
    const outputType = z.object({ count: z.int().min(3), word: z.string().max(4).describe("A word") });
    const result = await bench.run(agentOf(bench.model, { outputType }), stream);
    expect(result.finalOutput).toEqual({ count: 4, word: "four" });
    expect(bench.bodies()[0]).toMatchObject({
      output_config: {
        format: {
          type: "json_schema",
          schema: {
            type: "object",
            required: ["count", "word"],
            additionalProperties: false,
            properties: {
              count: { type: "integer", description: "(at least 3)" },
              word: { type: "string", description: "A word (characters, at most 4)" },
            },
          },
        },
      },
    });
    expect(JSON.stringify(bench.bodies())).not.toMatch(/"(minimum|maximum|maxLength|\$schema)"/);
  });

  test("an agent without tools takes over from one that used them: the tools of the history are declared, and may not be called", async () => {
    await using bench = await setup(({ handoffs, toolResults }) =>
      toolResults.length > 0 ? { text: "mine now" } : { toolCalls: [{ name: handoffs[0] ?? "", arguments: {} }] },
    );
    const billing = new Agent({ name: "billing", model: bench.model, handoffDescription: "money" });
    const result = await bench.run(agentOf(bench.model, { handoffs: [handoff(billing)] }), stream);
    expect(result.finalOutput).toBe("mine now");
    expect(bench.bodies()[1]).toMatchObject({ tools: [{ name: "transfer_to_billing" }], tool_choice: { type: "none" } });
  });

  test("a budget for thinking is left out while a turn goes on that another model began without, and only then", async () => {
    const providerData = { thinking: { type: "enabled", budget_tokens: 1_024 } };
    const isOn = (body: unknown): boolean => JSON.stringify(body).includes('"thinking":{');
    await using bench = await setup((call) =>
      call.handoffs.length > 0 ? { toolCalls: [{ name: call.handoffs[0] ?? "", arguments: {} }] } : usesWeather(call, AbortSignal.abort()),
    );
    const billing = agentOf(bench.model, { name: "billing", tools: [weather], modelSettings: { providerData } });
    await bench.run(billing, stream);
    expect(bench.bodies().map(isOn)).toEqual([true, true]);
    await bench.run(agentOf(bench.model, { handoffs: [handoff(billing)] }), stream);
    expect(bench.bodies().slice(2).map(isOn)).toEqual([false, false]);
  });

  test("a refusal is a refusal", async () => {
    await using bench = await setup({ refusal: "I cannot help with that." });
    await expect(bench.run(agentOf(bench.model), stream)).rejects.toThrow(ModelRefusalError);
  });

  test.each([
    [429, { kind: "rate-limited", retryAfterMs: 7_000 }],
    [529, { kind: "transient", code: "MODEL_UNAVAILABLE" }],
    [500, { kind: "transient", code: "MODEL_UNAVAILABLE" }],
    [401, { kind: "final", code: "MODEL_KEY_REJECTED" }],
    [402, { kind: "final", code: "MODEL_QUOTA_SPENT" }],
    [400, { kind: "final", code: "MODEL_CALL_FAILED" }],
  ])("status %i is classified", async (status, expected) => {
    await using bench = await setup();
    bench.fake.setFaults(() => ({ status, headers: { "retry-after": "7" } }));
    const error: unknown = await bench.run(agentOf(bench.model), stream).catch((caught: unknown) => caught);
    expect(classifyFailure(error)).toMatchObject(expected);
    expect(bench.fake.calls).toHaveLength(1);
  });

  test("a connection that breaks off, before or in the answer, may be tried again", async () => {
    await using bench = await setup();
    for (const fault of [{ reset: true }, { cut: 1 }]) {
      bench.fake.setFaults(() => fault);
      const error: unknown = await bench.run(agentOf(bench.model), stream).catch((caught: unknown) => caught);
      expect(classifyFailure(error)).toMatchObject({ kind: "transient", code: "MODEL_UNAVAILABLE" });
    }
  });

  test("a call that its caller ends is aborted, with the caller's reason", async () => {
    const stop = new AbortController();
    await using bench = await setup(() => {
      stop.abort("cancelled");
      return { hang: true };
    });
    const { signal } = stop;
    const request = { input: "hi", modelSettings: {}, tools: [], handoffs: [], outputType: "text" as const, tracing: false, signal };
    const work = async (): Promise<unknown> => {
      if (!stream) return bench.model.getResponse(request);
      const events = [];
      for await (const event of bench.model.getStreamedResponse(request)) events.push(event);
      return events;
    };
    const error: unknown = await work().catch((caught: unknown) => caught);
    expect(classifyFailure(error)).toMatchObject({ kind: "aborted", reason: "cancelled" });
  });
});

test("an overload in the middle of a stream may be tried again", async () => {
  await using bench = await setup({ text: "hello hello", finishReason: "failed" });
  const error: unknown = await bench.run(agentOf(bench.model), true).catch((caught: unknown) => caught);
  expect(classifyFailure(error)).toMatchObject({ kind: "transient", message: expect.stringContaining("529") as unknown });
});

test("text arrives piece by piece", async () => {
  await using bench = await setup({ text: "The quick brown fox", chunk: 10 });
  const result = await new Runner({ tracingDisabled: true }).run(agentOf(bench.model), "hi", { stream: true });
  const deltas: string[] = [];
  for await (const event of result) {
    if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") deltas.push(event.data.delta);
  }
  expect(deltas).toEqual(["The quick ", "brown fox"]);
});

test.each([
  ["required", undefined, { type: "any" }],
  ["required", false, { type: "any", disable_parallel_tool_use: true }],
  ["none", undefined, { type: "none" }],
  ["weather", undefined, { type: "tool", name: "weather" }],
  ["auto", true, { type: "auto", disable_parallel_tool_use: false }],
])("tool choice %s with parallel calls %s", async (toolChoice, parallelToolCalls, expected) => {
  await using bench = await setup();
  const modelSettings = { toolChoice, ...(parallelToolCalls === undefined ? {} : { parallelToolCalls }) };
  await bench.run(agentOf(bench.model, { tools: [weather], modelSettings }), false);
  expect(bench.bodies()[0]).toMatchObject({ tool_choice: expected });
});

test("settings reach the API: sampling, a bound, an hour of cache, and whatever it has that the SDK does not know", async () => {
  await using bench = await setup();
  const providerData = { thinking: { type: "enabled", budget_tokens: 1_024 }, output_config: { extra: 1 } };
  const modelSettings = { temperature: 0.5, topP: 0.9, maxTokens: 99, promptCacheRetention: "24h" as const, providerData };
  await bench.run(agentOf(bench.model, { modelSettings }), false);
  expect(bench.bodies()[0]).toMatchObject({
    temperature: 0.5,
    top_p: 0.9,
    max_tokens: 99,
    thinking: { type: "enabled", budget_tokens: 1_024 },
    output_config: { extra: 1 },
    system: [{ cache_control: { type: "ephemeral", ttl: "1h" } }],
  });
});

describe("a transcript", () => {
  const body = async (input: Parameters<Runner["run"]>[1]): Promise<unknown> => {
    await using bench = await setup();
    await new Runner({ tracingDisabled: true }).run(agentOf(bench.model), input);
    return bench.bodies()[0];
  };

  test("images and files go as they are given, by address or in place", async () => {
    const content = [
      { type: "input_text" as const, text: "look" },
      { type: "input_image" as const, image: "data:image/png;base64,AAAA" },
      { type: "input_image" as const, image: "https://example.org/a.png" },
      { type: "input_file" as const, file: "data:application/pdf;base64,BBBB" },
    ];
    expect(await body([{ role: "user", content }])).toMatchObject({
      messages: [
        {
          content: [
            { type: "text", text: "look" },
            { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
            { type: "image", source: { type: "url", url: "https://example.org/a.png" } },
            { type: "document", source: { type: "base64", media_type: "application/pdf", data: "BBBB" } },
          ],
        },
      ],
    });
  });

  test("another provider's reasoning stays behind, system messages join the instructions, and one role never speaks twice in a row", async () => {
    const input = [
      { role: "system" as const, content: "Today is Monday." },
      { role: "user" as const, content: "one" },
      { role: "user" as const, content: "two" },
      { type: "reasoning" as const, id: "rs_1", content: [], providerData: { encryptedContent: "sealed" } },
      { role: "assistant" as const, status: "completed" as const, content: [{ type: "output_text" as const, text: "three" }] },
      { role: "user" as const, content: "four" },
    ];
    expect(await body(input)).toMatchObject({
      system: [{ text: "Be brief\n\nToday is Monday." }],
      messages: [
        { role: "user", content: [{ text: "one" }, { text: "two" }] },
        { role: "assistant", content: [{ type: "text", text: "three" }] },
        { role: "user", content: [{ text: "four" }] },
      ],
    });
  });

  test("a file that only OpenAI has is refused with what to do", async () => {
    const content = [{ type: "input_file" as const, file: { id: "file-1" } }];
    await expect(body([{ role: "user", content }])).rejects.toMatchObject({ code: "AGENT_INVALID", remedy: expect.any(String) as unknown });
  });
});
