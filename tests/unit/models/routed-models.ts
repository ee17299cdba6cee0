/** A model provider of the fleet's in front of a fake one, and the runner that asks it. */
import { Agent, Runner } from "@openai/agents";
import type { Caller } from "../../../src/models/attribution.ts";
import { parseModelEnv } from "../../../src/models/env.ts";
import { createModelProvider, type ModelProviderOptions } from "../../../src/models/provider.ts";
import { startFakeProvider } from "../../../src/testing/fake-provider.ts";

export async function setup(options: (url: string) => Partial<ModelProviderOptions>) {
  const fake = await startFakeProvider();
  const given = options(fake.url);
  const provider = createModelProvider({ env: parseModelEnv({}), ...given });
  const ask = async (model: string, stream = false): Promise<unknown> => {
    const runner = new Runner({ tracingDisabled: true, modelProvider: provider });
    const agent = new Agent({ name: "a", model });
    if (!stream) return (await runner.run(agent, "hi")).finalOutput;
    const result = await runner.run(agent, "hi", { stream: true });
    await result.completed;
    return result.finalOutput;
  };
  const seen = () => fake.calls.map(({ api, model, headers }) => ({ api, model, key: headers.authorization?.replace("Bearer ", "") }));
  return { fake, provider, ask, seen, [Symbol.asyncDispose]: () => fake.close() };
}

export const caller = (more: Partial<Caller>): Caller => ({
  tenant: "default",
  tags: [],
  agent: "a",
  runId: "r",
  hop: 0,
  attempt: 1,
  ...more,
});

export const openai = (url: string, more: Record<string, string> = {}) => ({
  env: parseModelEnv({ OPENAI_API_KEY: "sk-fleet", OPENAI_BASE_URL: url, ...more }),
});
