/**
 * A real LiteLLM proxy on loopback, without a database, in front of a fake provider. What it is given to run with is only what is written
 * here: nothing of the machine's environment reaches it, and it fetches nothing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
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
import { liteLlmProgram } from "../../tools/litellm/install.ts";
import { freePort, until } from "./redis-servers.ts";

/** Why a test that needs the proxy cannot run here; undefined when it can. */
const missingLiteLlm = (): string | undefined =>
  liteLlmProgram() === undefined ? "needs a LiteLLM proxy: node tools/litellm/install.ts" : undefined;

export const MASTER_KEY = "sk-test-master";
export const UPSTREAM_KEY = "sk-upstream";
export const AZURE_KEY = "sk-azure";
export const PASSTHROUGH_KEY = "sk-upstream-passthrough";

export interface LiteLlmPlan {
  /** By the name that clients ask for: what the proxy calls. */
  readonly models: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** `litellm_settings`, besides those that keep it from retrying by itself. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** `general_settings`, besides the master key. */
  readonly general?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Files of tests/support that stand beside its configuration. */
  readonly files?: readonly string[];
}

export interface LiteLlm extends AsyncDisposable {
  /** Without `/v1`. */
  readonly url: string;
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export async function startLiteLlm({ models, settings = {}, general = {}, env = {}, files = [] }: LiteLlmPlan): Promise<LiteLlm> {
  const dir = mkdtempSync(join(tmpdir(), "flotilla-litellm-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    model_list: Object.entries(models).map(([name, params]) => ({ model_name: name, litellm_params: params })),
    litellm_settings: { num_retries: 0, request_timeout: 30, ...settings },
    // Without a cooldown: one planned failure must not take the model away from the next test.
    router_settings: { disable_cooldowns: true },
    general_settings: { master_key: MASTER_KEY, ...general },
  };
  // JSON is YAML.
  writeFileSync(join(dir, "config.yaml"), JSON.stringify(config));
  for (const file of files) copyFileSync(join(import.meta.dirname, file), join(dir, file));
  let child = await start(dir, port, env);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return {
    url,
    kill,
    async restart() {
      child = await start(dir, port, env);
    },
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Importing it alone takes seconds on a busy machine. */
const READY_WITHIN_MS = 120_000;

async function start(dir: string, port: number, env: LiteLlmPlan["env"]): Promise<ChildProcess> {
  const program = liteLlmProgram();
  if (program === undefined) throw new Error("No LiteLLM is installed.");
  const args = ["--config", join(dir, "config.yaml"), "--host", "127.0.0.1", "--port", String(port), "--telemetry", "False"];
  const offline = { LITELLM_LOCAL_MODEL_COST_MAP: "True", LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS: "True", LITELLM_LOG: "ERROR" };
  const child = spawn(program, args, {
    cwd: dir,
    env: { PATH: process.env["PATH"], HOME: dir, ...offline, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-4_000);
    });
  }
  await until("the LiteLLM proxy is ready", READY_WITHIN_MS, async () => {
    if (child.exitCode !== null) throw new Error(`The LiteLLM proxy ended before it was ready:\n${said}`);
    const answer = await fetch(`http://127.0.0.1:${port}/health/readiness`).catch(() => undefined);
    return answer?.status === 200;
  });
  return child;
}

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
export interface BenchChanges extends Omit<LiteLlmPlan, "models"> {
  readonly models?: (fake: FakeProvider) => LiteLlmPlan["models"];
  /** Of the provider behind it. */
  readonly provider?: () => Promise<FakeProviderOptions>;
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
    files: changes.files ?? [],
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
