/** A real LiteLLM proxy in front of a fake provider, for the tests of one file. */
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { z } from "zod";
import {
  type FakeCallRecord,
  type FakeProvider,
  type FakeProviderOptions,
  type FaultPlan,
  startFakeProvider,
} from "../../src/testing/fake-provider.ts";
import { type LiteLlm, type LiteLlmPlan, MASTER_KEY, missingLiteLlm, READY_WITHIN_MS, startLiteLlm } from "../../tools/litellm/start.ts";

export { MASTER_KEY };
export const UPSTREAM_KEY = "sk-upstream";
export const AZURE_KEY = "sk-azure";
export const PASSTHROUGH_KEY = "sk-upstream-passthrough";

export interface ProxyReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined for a stream. */
  readonly body: unknown;
  /** What the provider behind the proxy was sent for it. */
  readonly upstream: readonly FakeCallRecord[];
}

export interface ProxyBench extends AsyncDisposable {
  readonly fake: FakeProvider;
  readonly proxy: LiteLlm;
  post(path: string, body: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>): Promise<ProxyReply>;
  /** The same without reading the answer; `signal` hangs up. */
  send(
    path: string,
    body: Readonly<Record<string, unknown>>,
    headers?: Readonly<Record<string, string>>,
    signal?: AbortSignal | null,
  ): Promise<Response>;
}

/** What a file's proxy has besides, or otherwise than, the usual one. */
export interface BenchChanges extends Omit<LiteLlmPlan, "models" | "files"> {
  readonly models?: (fake: FakeProvider) => LiteLlmPlan["models"];
  /** Of the provider behind it. */
  readonly provider?: () => Promise<FakeProviderOptions>;
  /** Names of files in tests/support. */
  readonly files?: readonly string[];
}

/** One bench for all tests of a file; each begins with a provider that answers "hello". Where no proxy is installed they say why they are skipped. */
export function useProxyBench(changes: BenchChanges = {}): () => ProxyBench {
  const missing = missingLiteLlm();
  let bench: ProxyBench | undefined;
  beforeAll(async () => {
    if (missing === undefined) bench = await openProxyBench(changes);
  }, READY_WITHIN_MS + 10_000);
  afterAll(async () => bench?.[Symbol.asyncDispose]());
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
    bench?.fake.setReply(() => ({ text: "hello" }));
    bench?.fake.setFaults(undefined);
    bench?.fake.setBatchFaults(undefined);
  });
  return () => {
    if (bench === undefined) throw new Error("The bench is open only while tests run.");
    return bench;
  };
}

/** A proxy that knows Claude by several names and two clouds, in front of a fake provider that speaks all the APIs. */
async function openProxyBench(changes: BenchChanges): Promise<ProxyBench> {
  const fake = await startFakeProvider(await changes.provider?.());
  const claude = (model: string, more: Readonly<Record<string, unknown>> = {}) => ({
    model,
    api_key: UPSTREAM_KEY,
    api_base: fake.origin,
    ...more,
  });
  const proxy = await startLiteLlm({
    models: {
      "anthropic/claude-sonnet-4-6": claude("anthropic/claude-sonnet-4-6"),
      "anthropic/claude-opus-5": claude("anthropic/claude-opus-5"),
      "legacy-thinking": claude("anthropic/claude-sonnet-4-5"),
      unknown: claude("anthropic/claude-unknown-test"),
      flaky: claude("anthropic/claude-haiku-4-5"),
      mocked: claude("anthropic/claude-sonnet-4-6", { mock_response: "hello from mock" }),
      "azure_ai/claude-sonnet-4-6": { model: "azure_ai/claude-sonnet-4-6", api_key: AZURE_KEY, api_base: `${fake.origin}/anthropic` },
      "azure-bare": { model: "azure_ai/claude-sonnet-4-6", api_key: AZURE_KEY, api_base: fake.origin },
      "gpt-x": { model: "openai/gpt-x", api_key: UPSTREAM_KEY, api_base: fake.url },
      ...changes.models?.(fake),
    },
    settings: {
      drop_params: true,
      modify_params: true,
      include_cost_in_streaming_usage: true,
      fallbacks: [{ flaky: ["anthropic/claude-sonnet-4-6"] }],
      ...changes.settings,
    },
    general: changes.general ?? {},
    files: (changes.files ?? []).map((file) => join(import.meta.dirname, file)),
    env: { ANTHROPIC_API_BASE: fake.origin, ANTHROPIC_API_KEY: PASSTHROUGH_KEY, ...changes.env },
  });
  const send: ProxyBench["send"] = (path, body, headers, signal = null) =>
    fetch(proxy.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${MASTER_KEY}`, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal,
    });
  return {
    fake,
    proxy,
    send,
    async post(path, body, headers = {}) {
      const before = fake.calls.length;
      const response = await send(path, body, headers);
      const text = await response.text();
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
      const parsed: unknown = isStream ? undefined : JSON.parse(text);
      return { status: response.status, headers: response.headers, text, body: parsed, upstream: fake.calls.slice(before) };
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await fake.close();
    },
  };
}

/** A tool's answer to a turn that was thought about, without the thoughts: what the Agents SDK sends by Chat Completions. */
export const forgottenThinking = {
  messages: [
    { role: "user", content: "hi" },
    { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }] },
    { role: "tool", tool_call_id: "call_1", content: "done" },
  ],
  tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }],
  max_tokens: 20_000,
  reasoning_effort: "low",
};

/** Anthropic's own rule: with thinking on, a turn that calls a tool begins with its thoughts. */
export const thinkingRule: FaultPlan = ({ body }) => {
  const turns = z.object({ messages: z.array(z.object({ role: z.string(), content: z.unknown() })) }).parse(body).messages;
  const last = turns.findLast(({ role }) => role === "assistant");
  const isForgotten = body["thinking"] !== undefined && !JSON.stringify(last?.content).startsWith('[{"type":"thinking"');
  return isForgotten ? { status: 400, errorMessage: "Expected `thinking`, but found `tool_use`." } : undefined;
};
