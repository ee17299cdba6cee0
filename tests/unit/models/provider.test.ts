import { Agent, Runner } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { parseModelEnv } from "../../../src/models/env.ts";
import { openAICompatible } from "../../../src/models/servers.ts";
import { caller, openai, setup } from "./routed-models.ts";

test("plain names go to OpenAI's Responses API, or to Chat Completions when told so", async () => {
  await using responses = await setup((url) => openai(url));
  expect(await responses.ask("gpt-x")).toBe("You said: hi");
  expect(await responses.ask("openai/gpt-y", true)).toBe("You said: hi");
  expect(responses.seen()).toEqual([
    { api: "responses", model: "gpt-x", key: "sk-fleet" },
    { api: "responses", model: "gpt-y", key: "sk-fleet" },
  ]);
  await using chat = await setup((url) => openai(url, { FLOTILLA_OPENAI_API: "chat" }));
  await chat.ask("gpt-x");
  expect(chat.seen()).toEqual([{ api: "chat", model: "gpt-x", key: "sk-fleet" }]);
});

test("names with a prefix go to the proxy by Chat Completions, unchanged", async () => {
  await using fleet = await setup((url) => ({ env: parseModelEnv({ LITELLM_BASE_URL: url, LITELLM_API_KEY: "sk-proxy" }) }));
  fleet.provider.check(["anthropic/claude-x"]);
  expect(await fleet.ask("anthropic/claude-x", true)).toBe("You said: hi");
  expect(fleet.seen()).toEqual([{ api: "chat", model: "anthropic/claude-x", key: "sk-proxy" }]);
});

test("an alias stands for a model or for another name, through several steps", async () => {
  const model = new ScriptedModel([]);
  await using fleet = await setup((url) => ({
    ...openai(url),
    models: { own: model, quick: "fast", fast: "gpt-x", "anthropic/claude-x": model },
  }));
  fleet.provider.check(["own", "quick", "anthropic/claude-x"]);
  expect(await fleet.provider.getModel("own")).toBe(model);
  expect(await fleet.provider.getModel("anthropic/claude-x")).toBe(model);
  await fleet.ask("quick");
  expect(fleet.seen()).toMatchObject([{ model: "gpt-x" }]);
});

test("aliases that go round in a circle are refused", async () => {
  await using fleet = await setup((url) => ({ ...openai(url), models: { a: "b", b: "a" } }));
  expect(() => fleet.provider.check(["a"])).toThrow(
    expect.objectContaining({ code: "INPUT_INVALID", message: expect.stringContaining("a → b → a") }),
  );
});

test("a model without a route or a key is reported when the worker starts, all of them at once", async () => {
  await using fleet = await setup(() => ({}));
  expect(() => fleet.provider.check(["gpt-x"])).toThrow(
    expect.objectContaining({ code: "MODEL_KEY_MISSING", remedy: expect.stringContaining("OPENAI_API_KEY") }),
  );
  expect(() => fleet.provider.check(["mistral/large"])).toThrow(
    expect.objectContaining({ code: "MODEL_KEY_MISSING", remedy: expect.stringContaining("LITELLM_BASE_URL") }),
  );
  expect(() => fleet.provider.check(["gpt-x", "anthropic/claude-x", "mistral/large"])).toThrow(
    /gpt-x has no key.*claude-x has no key.*large has no route/,
  );
  await expect(fleet.provider.getModel("mistral/large")).rejects.toMatchObject({ code: "MODEL_KEY_MISSING" });
});

test("an agent without a model is named when the worker starts", async () => {
  await using fleet = await setup((url) => openai(url));
  const agentsOf = (name: string): string[] => (name === "" ? ["triage", "refunds"] : ["other"]);
  expect(() => fleet.provider.check(["gpt-x", ""], agentsOf)).toThrow(
    expect.objectContaining({
      code: "MODEL_KEY_MISSING",
      message: 'Each of the agents "triage", "refunds" has no model.',
      at: "agents.triage.model, agents.refunds.model",
      remedy: expect.stringContaining("`model`"),
    }),
  );
  expect(() => fleet.provider.check([""], () => ["triage"])).toThrow('Agent "triage" has no model.');
});

test("an agent that turns out to have no model is told with the agent whose hop it is", async () => {
  await using fleet = await setup((url) => ({ ...openai(url), currentCaller: () => caller({ agent: "triage" }) }));
  await expect(fleet.provider.getModel("")).rejects.toThrow('Agent "triage", or one that it uses as a tool, has no model.');
  await using alone = await setup((url) => openai(url));
  await expect(alone.provider.getModel("")).rejects.toThrow("An agent has no model.");
});

test("each call uses the key of the tenant whose call it is, and one model object serves all (I11)", async () => {
  let tenant = "acme";
  const keys: Record<string, string> = { acme: "sk-acme", umbrella: "sk-umbrella" };
  await using fleet = await setup((url) => ({
    ...openai(url),
    currentCaller: () => caller({ tenant }),
    credentials: async ({ tenant: asked }) => (keys[asked] === undefined ? undefined : { apiKey: keys[asked] }),
  }));
  for (const next of ["acme", "umbrella", "without-a-key", "acme"]) {
    tenant = next;
    await fleet.ask("gpt-x", next === "umbrella");
  }
  expect(fleet.seen().map(({ key }) => key)).toEqual(["sk-acme", "sk-umbrella", "sk-fleet", "sk-acme"]);
});

test("with a credentials function a worker starts without a key of its own", async () => {
  await using fleet = await setup((url) => ({ credentials: () => ({ apiKey: "sk-acme", baseURL: url }) }));
  fleet.provider.check(["gpt-x"]);
  await fleet.ask("gpt-x");
  expect(fleet.seen()).toMatchObject([{ key: "sk-acme" }]);
});

test("the fleet's own key never goes to an address that a tenant chose (I11)", async () => {
  await using fleet = await setup((url) => ({ env: parseModelEnv({ OPENAI_API_KEY: "sk-fleet" }), credentials: () => ({ baseURL: url }) }));
  await expect(fleet.ask("gpt-x")).rejects.toMatchObject({ code: "MODEL_KEY_MISSING" });
  expect(fleet.seen()).toEqual([]);
});

test("a failing call is made once: the client does not retry by itself", async () => {
  await using fleet = await setup((url) => openai(url));
  fleet.fake.setFaults(() => ({ status: 503, headers: { "retry-after-ms": "1" } }));
  await expect(fleet.ask("gpt-x")).rejects.toThrow("503");
  expect(fleet.fake.calls).toHaveLength(1);
});

test("settings: empty is unset, and a wrong value names its variable", () => {
  expect(parseModelEnv({ OPENAI_API_KEY: "", OPENAI_BASE_URL: " ", FLOTILLA_OPENAI_API: "" })).toEqual({
    FLOTILLA_OPENAI_API: "responses",
    FLOTILLA_LITELLM_API: "chat",
  });
  expect(() => parseModelEnv({ LITELLM_BASE_URL: "not a url" })).toThrow(
    expect.objectContaining({ code: "INPUT_INVALID", at: "LITELLM_BASE_URL" }),
  );
  expect(() => parseModelEnv({ FLOTILLA_OPENAI_API: "completions" })).toThrow(/FLOTILLA_OPENAI_API/);
});

test("without a proxy Claude is asked at Anthropic itself, by the Messages API", async () => {
  await using fleet = await setup((url) => ({
    env: parseModelEnv({ ANTHROPIC_API_KEY: "sk-ant", ANTHROPIC_BASE_URL: url.replace("/v1", "") }),
  }));
  fleet.provider.check(["anthropic/claude-x"]);
  expect(await fleet.ask("anthropic/claude-x", true)).toBe("You said: hi");
  expect(fleet.fake.calls).toMatchObject([
    { api: "messages", path: "/v1/messages", model: "claude-x", headers: { "x-api-key": "sk-ant" } },
  ]);
});

test("the proxy is asked for Claude by its Messages door when told so, and for all else by Chat Completions", async () => {
  await using fleet = await setup((url) => ({
    env: parseModelEnv({
      LITELLM_BASE_URL: url,
      LITELLM_API_KEY: "sk-proxy",
      FLOTILLA_LITELLM_API: "messages",
      ANTHROPIC_API_KEY: "sk-ant",
    }),
  }));
  for (const model of ["anthropic/claude-x", "azure_ai/claude-x", "mistral/large"]) await fleet.ask(model);
  expect(fleet.seen()).toEqual([
    { api: "messages", model: "anthropic/claude-x", key: "sk-proxy" },
    { api: "messages", model: "azure_ai/claude-x", key: "sk-proxy" },
    { api: "chat", model: "mistral/large", key: "sk-proxy" },
  ]);
  expect(JSON.stringify(fleet.fake.calls)).not.toContain("sk-ant");
});

test("a server of one's own serves the names behind its prefix, with the key of its own variable or with none", async () => {
  await using fleet = await setup((url) => ({
    env: parseModelEnv({ LITELLM_BASE_URL: "http://127.0.0.1:1" }),
    variables: { GROQ_API_KEY: "gsk" },
    models: {
      local: openAICompatible({ baseURL: url }),
      groq: openAICompatible({ baseURL: url, apiKeyEnv: "GROQ_API_KEY", api: "responses" }),
      fast: "groq/llama",
    },
  }));
  fleet.provider.check(["local/org/llama", "fast"]);
  await fleet.ask("local/org/llama");
  await fleet.ask("fast", true);
  expect(fleet.seen()).toEqual([
    { api: "chat", model: "org/llama", key: "no-key" },
    { api: "responses", model: "llama", key: "gsk" },
  ]);
});

test("a server without its key, or with an address that is none, is reported when the worker starts", async () => {
  await using fleet = await setup((url) => ({ models: { groq: openAICompatible({ baseURL: url, apiKeyEnv: "GROQ_API_KEY" }) } }));
  expect(() => fleet.provider.check(["groq/llama"])).toThrow(
    expect.objectContaining({ code: "MODEL_KEY_MISSING", remedy: expect.stringContaining("GROQ_API_KEY") }),
  );
  expect(() => openAICompatible({ baseURL: "localhost:1234" })).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
});

test("reasoning that Anthropic sealed is not sent to another provider", async () => {
  await using fleet = await setup((url) => openai(url));
  const runner = new Runner({ tracingDisabled: true, modelProvider: fleet.provider });
  const thinking = { type: "thinking", thinking: "hm", signature: "sig" };
  await runner.run(new Agent({ name: "a", model: "gpt-x" }), [
    { type: "reasoning", content: [], providerData: { anthropic: thinking } },
    { role: "user", content: "hi" },
  ]);
  expect(fleet.fake.calls[0]?.body).toMatchObject({ input: [{ role: "user" }] });
});
