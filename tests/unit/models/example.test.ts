/** The fleet that docs/how-to/models.md shows: each of its names leads where the page says. */
import { expect, test } from "vitest";
import { fleet } from "../../../examples/models/fleet.ts";
import { createModelProvider } from "../../../src/models/provider.ts";
import { parseModelEnv } from "../../../src/models/env.ts";
import { Agent, Runner } from "@openai/agents";
import { startFakeProvider } from "../../../src/testing/fake-provider.ts";

test("the fleet of the page asks OpenAI, Anthropic and a server of its own", async () => {
  await using fake = await startFakeProvider();
  const asked: string[] = [];
  const toFake = (url: string): string => {
    asked.push(url);
    return fake.url + new URL(url).pathname.replace("/v1", "");
  };
  const { models, credentials, prices } = fleet.options;
  const provider = createModelProvider({
    env: parseModelEnv({ OPENAI_API_KEY: "k", ANTHROPIC_API_KEY: "k" }),
    ...(models === undefined ? {} : { models }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(prices === undefined ? {} : { prices }),
    fetch: (input, init) => fetch(toFake(new Request(input, init).url), init),
  });
  provider.check([...fleet.catalog.values()].flatMap(({ agent }) => (typeof agent.model === "string" ? [agent.model] : [])));
  const runner = new Runner({ tracingDisabled: true, modelProvider: provider });
  for (const { agent } of fleet.catalog.values()) await runner.run(new Agent({ name: "copy", model: agent.model }), "hi");
  expect(asked).toEqual([
    "https://api.anthropic.com/v1/messages",
    "https://api.openai.com/v1/responses",
    "http://127.0.0.1:11434/v1/chat/completions",
  ]);
  expect(fake.calls.map(({ model }) => model)).toEqual(["claude-sonnet-4-6", "gpt-5.2", "llama"]);
});
