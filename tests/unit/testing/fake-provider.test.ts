/** The fake provider, through the clients that will really talk to it. */
import { Agent, handoff, OpenAIProvider, Runner, tool } from "@openai/agents";
import { OpenAI } from "openai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type FakeProviderOptions, type FakeRule, startFakeProvider } from "../../../src/testing/fake-provider.ts";

async function setup(options: FakeProviderOptions | FakeRule = {}) {
  const provider = await startFakeProvider(typeof options === "function" ? { reply: options } : options);
  const client = new OpenAI({ apiKey: "key-of-nobody", baseURL: provider.url, maxRetries: 0 });
  const runnerFor = (api: "responses" | "chat"): Runner =>
    new Runner({ tracingDisabled: true, modelProvider: new OpenAIProvider({ openAIClient: client, useResponses: api === "responses" }) });
  return { provider, client, runnerFor, [Symbol.asyncDispose]: () => provider.close() };
}

async function runStreamed(runner: Runner, agent: Agent, input: string) {
  const result = await runner.run(agent, input, { stream: true });
  const deltas: string[] = [];
  for await (const event of result) {
    if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") deltas.push(event.data.delta);
  }
  await result.completed;
  return { result, deltas };
}

describe.each(["responses", "chat"] as const)("over the %s API", (api) => {
  test("an agent gets the rule's text and a usage that follows from lengths", async () => {
    await using fake = await setup((call) => ({ text: `${call.instructions}|${call.lastUserText}` }));
    const agent = new Agent({ name: "echo", instructions: "Be brief", model: "m" });
    const result = await fake.runnerFor(api).run(agent, "12345678");
    expect(result.finalOutput).toBe("Be brief|12345678");
    expect(result.state.usage).toMatchObject({ requests: 1, inputTokens: 4, outputTokens: 5 });
    expect(fake.provider.calls).toMatchObject([{ api, model: "m", streamed: false, status: 200, isServed: true }]);
    expect(fake.provider.served).toBe(1);
  });

  test("a streamed answer arrives in chunks and makes the same text and usage", async () => {
    const text = "The quick brown fox jumps over the lazy dog.";
    await using fake = await setup(() => ({ text, chunk: 10 }));
    const { result, deltas } = await runStreamed(fake.runnerFor(api), new Agent({ name: "a", model: "m" }), "hi");
    expect(deltas).toEqual(["The quick ", "brown fox ", "jumps over", " the lazy ", "dog."]);
    expect(result.finalOutput).toBe(text);
    expect(result.state.usage).toMatchObject({ requests: 1, inputTokens: 1, outputTokens: 11 });
  });

  test.each([false, true])("a tool is called and its result is seen by the next call (streamed: %s)", async (stream) => {
    const rule: FakeRule = ({ toolResults, tools }) => {
      const [found] = toolResults;
      return found === undefined
        ? { toolCalls: [{ name: tools[0] ?? "", arguments: { city: "Oslo" } }] }
        : { text: `${found.name}: ${found.output}` };
    };
    await using fake = await setup(rule);
    const weather = tool({
      name: "weather",
      description: "d",
      parameters: z.object({ city: z.string() }),
      execute: ({ city }) => `rain in ${city}`,
    });
    const agent = new Agent({ name: "a", model: "m", tools: [weather] });
    const runner = fake.runnerFor(api);
    const output = stream ? (await runStreamed(runner, agent, "hi")).result.finalOutput : (await runner.run(agent, "hi")).finalOutput;
    expect(output).toBe("weather: rain in Oslo");
    expect(fake.provider.calls).toHaveLength(2);
  });

  test.each([false, true])("a handoff reaches the other agent (streamed: %s)", async (stream) => {
    const rule: FakeRule = ({ handoffs, toolResults }) =>
      handoffs.length > 0
        ? { toolCalls: [{ name: handoffs[0] ?? "", arguments: {} }] }
        : { text: `taken over after ${toolResults[0]?.name}` };
    await using fake = await setup(rule);
    const billing = new Agent({ name: "billing", model: "m", handoffDescription: "money" });
    const triage = new Agent({ name: "triage", model: "m", handoffs: [handoff(billing)] });
    const runner = fake.runnerFor(api);
    const result = stream ? (await runStreamed(runner, triage, "hi")).result : await runner.run(triage, "hi");
    expect(result.finalOutput).toBe("taken over after transfer_to_billing");
    expect(result.lastAgent?.name).toBe("billing");
  });

  test("an output type without a rule gets the smallest value that fits", async () => {
    await using fake = await setup();
    const outputType = z.object({ answer: z.string(), kind: z.enum(["a", "b"]), tags: z.array(z.string()), count: z.number().nullable() });
    const result = await fake.runnerFor(api).run(new Agent({ name: "a", model: "m", outputType }), "hi");
    expect(result.finalOutput).toEqual({ answer: "hi", kind: "a", tags: [], count: 0 });
  });

  test("two tool calls in one answer keep their names and ids apart", async () => {
    await using fake = await setup(({ toolResults }) =>
      toolResults.length === 0
        ? {
            text: "Looking.",
            toolCalls: [
              { name: "up", arguments: { word: "a" } },
              { name: "up", arguments: { word: "b" } },
            ],
          }
        : { text: toolResults.map(({ output }) => output).join() },
    );
    const up = tool({
      name: "up",
      description: "d",
      parameters: z.object({ word: z.string() }),
      execute: ({ word }) => word.toUpperCase(),
    });
    const { result } = await runStreamed(fake.runnerFor(api), new Agent({ name: "a", model: "m", tools: [up] }), "hi");
    expect(result.finalOutput).toBe("A,B");
  });
});

test("the plain client reads both APIs, reasoning and given usage included", async () => {
  await using fake = await setup(() => ({ text: "hello", reasoning: "hm, let me", usage: { inputTokens: 100, cachedInputTokens: 64 } }));
  const response = await fake.client.responses.create({ model: "m", input: "hi" });
  expect(response.output_text).toBe("hello");
  expect(response.usage).toMatchObject({
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 64 },
    output_tokens_details: { reasoning_tokens: 3 },
  });
  const completion = await fake.client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "hi" }] });
  expect(completion.choices[0]?.message.content).toBe("hello");
  expect((await fake.client.models.list()).data.map(({ id }) => id)).toEqual(["fake-model"]);
});

test("the client's own stream helper assembles the response from the events", async () => {
  await using fake = await setup(() => ({
    text: "a somewhat longer answer",
    toolCalls: [{ name: "t", arguments: { x: 1 }, id: "call_x" }],
  }));
  const response = await fake.client.responses.stream({ model: "m", input: "hi" }).finalResponse();
  expect(response.output_text).toBe("a somewhat longer answer");
  expect(response.output.at(-1)).toMatchObject({ type: "function_call", call_id: "call_x", arguments: '{"x":1}' });
  const completion = await fake.client.chat.completions
    .stream({ model: "m", messages: [{ role: "user", content: "hi" }] })
    .finalChatCompletion();
  expect(completion.choices[0]?.message).toMatchObject({ content: "a somewhat longer answer", tool_calls: [{ id: "call_x" }] });
});

test("errors carry status, code and headers", async () => {
  await using fake = await setup({
    faults: () => ({ status: 429, errorCode: "rate_limit_exceeded", headers: { "retry-after-ms": "1500" } }),
  });
  const error: unknown = await fake.client.responses.create({ model: "m", input: "hi" }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded" });
  expect(fake.provider.served).toBe(0);
  expect(fake.provider.calls[0]).toMatchObject({ status: 429, isServed: false });
});

test.each(["responses", "chat"] as const)("a stream of the %s API that is cut gives its beginning and then an error", async (api) => {
  await using fake = await setup({ reply: () => ({ text: "0123456789".repeat(5), chunk: 10, cut: 25 }) });
  const seen: string[] = [];
  const result = await fake.runnerFor(api).run(new Agent({ name: "a", model: "m" }), "hi", { stream: true });
  const read = async (): Promise<void> => {
    for await (const event of result) {
      if (event.type === "raw_model_stream_event" && event.data.type === "output_text_delta") seen.push(event.data.delta);
    }
    await result.completed;
  };
  await expect(read()).rejects.toThrow();
  expect(seen.join("")).toBe("01234567890123456789");
  expect(fake.provider.served).toBe(0);
});

test("a hanging call ends when its caller gives up, and counts as a call that was not served", async () => {
  await using fake = await setup({ faults: () => ({ hang: true }) });
  const controller = new AbortController();
  const pending = fake.client.responses.create({ model: "m", input: "hi" }, { signal: controller.signal });
  await expect.poll(() => fake.provider.calls.length).toBe(1);
  controller.abort();
  await expect(pending).rejects.toThrow(/abort/i);
  expect(fake.provider.served).toBe(0);
});

test("the plan of faults sees each call and its number, and other processes see the counts", async () => {
  await using fake = await setup({ faults: (_call, index) => (index === 0 ? { status: 503 } : undefined) });
  await expect(fake.client.responses.create({ model: "m", input: "hi" })).rejects.toThrow("503");
  await fake.client.responses.create({ model: "m", input: "hi" }, { headers: { "x-flotilla-tenant": "acme" } });
  const seen: unknown = await (await fetch(new URL("/__calls?list", fake.provider.url))).json();
  expect(seen).toMatchObject({ calls: 2, served: 1, list: [{ status: 503 }, { status: 200, tenant: "acme" }] });
});

test("a body that is no call is refused", async () => {
  await using fake = await setup();
  const post = (path: string, body: string) => fetch(fake.provider.url + path, { method: "POST", body });
  expect((await post("/responses", "{")).status).toBe(400);
  expect((await post("/responses", "{}")).status).toBe(400);
  expect((await post("/elsewhere", "{}")).status).toBe(404);
  expect(fake.provider.calls).toHaveLength(0);
});
