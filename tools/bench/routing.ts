/**
 * What stands between an agent and its model: the fleet's own routing and metering, beside the same model asked by itself with a provider that
 * answers at once in the same process; and a LiteLLM proxy, beside a direct call over the same loopback.
 */
import { type Model, type ModelRequest, OpenAIProvider, setTracingDisabled, withTrace } from "@openai/agents";
import { OpenAI } from "openai";
import { createMessagesModel } from "../../src/models/anthropic/messages-model.ts";
import { parseModelEnv } from "../../src/models/env.ts";
import { createModelProvider } from "../../src/models/provider.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { MASTER_KEY, missingLiteLlm, startLiteLlm } from "../litellm/start.ts";
import { median, round, spread } from "./statistics.ts";

const NAME = "anthropic/claude-sonnet-4-6";
const KEY = "sk-bench";
const NOWHERE = "http://127.0.0.1:9/v1";
const caller = { tenant: "acme", tags: [], agent: "clerk", runId: "r0-01jd3xk2v7w8y9z0a1b2c3d4e5", hop: 0, attempt: 1 };

const request: ModelRequest = {
  systemInstructions: "Be brief.",
  input: [{ role: "user", content: "hi" }],
  modelSettings: {},
  tools: [],
  outputType: "text",
  handoffs: [],
  tracing: false,
};

type Door = "chat" | "messages";
const DOORS: readonly Door[] = ["chat", "messages"];

interface Cost {
  readonly cpu: number;
  readonly wall: number;
}

export interface RoutingReport {
  /** Microseconds of one call of the bare model, and what the fleet's layer adds to it. */
  readonly bareUs: Record<Door, Cost>;
  readonly addedUs: Record<Door, Cost>;
  readonly proxy: ProxyReport | { readonly skipped: string };
}

interface ProxyReport {
  readonly directMs: ReturnType<typeof spread>;
  readonly chatMs: ReturnType<typeof spread>;
  readonly messagesMs: ReturnType<typeof spread>;
  /** Medians, by that of the direct call. */
  readonly ratio: Record<Door, number>;
}

export async function measureRouting(quick: boolean, say: (line: string) => void): Promise<RoutingReport> {
  setTracingDisabled(true);
  // The SDK's models ask for a trace even where none is kept.
  return withTrace("bench", () => measureAll(quick, say));
}

async function measureAll(quick: boolean, say: (line: string) => void): Promise<RoutingReport> {
  const layers = { chat: await measureLayer("chat", quick), messages: await measureLayer("messages", quick) };
  const of = (part: "bareUs" | "addedUs") => ({ chat: layers.chat[part], messages: layers.messages[part] });
  const skipped = missingLiteLlm();
  if (skipped !== undefined) say(`no proxy is measured: ${skipped}`);
  const proxy = skipped === undefined ? await measureProxy(quick) : { skipped };
  if ("ratio" in proxy)
    say(`through a LiteLLM proxy a call takes ${proxy.ratio.chat} (chat) and ${proxy.ratio.messages} (messages) times as long`);
  return { bareUs: of("bareUs"), addedUs: of("addedUs"), proxy };
}

async function measureLayer(door: Door, quick: boolean): Promise<{ readonly bareUs: Cost; readonly addedUs: Cost }> {
  const answer = ANSWERS[door];
  const fetch = async (): Promise<Response> => new Response(answer, { headers: HEADERS });
  const env = parseModelEnv({ LITELLM_BASE_URL: NOWHERE, LITELLM_API_KEY: KEY, FLOTILLA_LITELLM_API: door });
  const routed = await createModelProvider({ env, fetch, currentCaller: () => caller }).getModel(NAME);
  const bare = await BARE[door](fetch);
  const [rounds, count] = quick ? [3, 300] : [15, 1_000];
  // What compiling costs in the first seconds is no part of a call.
  for (const model of [bare, routed]) await timed(model, count);
  const costs: { readonly bare: Cost; readonly added: Cost }[] = [];
  for (let index = 0; index < rounds; index += 1) {
    // Taken in turn, so that a slow second of the machine is nobody's.
    const [first, second] = index % 2 === 0 ? [bare, routed] : [routed, bare];
    const taken = new Map([
      [first, await timed(first, count)],
      [second, await timed(second, count)],
    ]);
    const [without, having] = [taken.get(bare), taken.get(routed)];
    if (without === undefined || having === undefined) throw new Error("Expected both models to be measured.");
    costs.push({ bare: without, added: { cpu: having.cpu - without.cpu, wall: having.wall - without.wall } });
  }
  const middle = (part: "bare" | "added"): Cost => ({
    cpu: median(costs.map((cost) => cost[part].cpu)),
    wall: median(costs.map((cost) => cost[part].wall)),
  });
  return { bareUs: middle("bare"), addedUs: middle("added") };
}

/** Microseconds of one call, one after the other. */
async function timed(model: Model, count: number): Promise<Cost> {
  const before = process.cpuUsage();
  const startedMs = performance.now();
  for (let index = 0; index < count; index += 1) await model.getResponse(request);
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / count, wall: ((performance.now() - startedMs) * 1_000) / count };
}

const BARE: Readonly<Record<Door, (fetch: typeof globalThis.fetch) => Promise<Model>>> = {
  chat: (fetch) => {
    const openAIClient = new OpenAI({ apiKey: KEY, baseURL: NOWHERE, maxRetries: 0, fetch });
    return new OpenAIProvider({ openAIClient, useResponses: false }).getModel(NAME);
  },
  messages: async (fetch) => createMessagesModel(NAME, { baseURL: NOWHERE, headers: { authorization: `Bearer ${KEY}` }, fetch }),
};

const HEADERS = { "content-type": "application/json", "x-litellm-call-id": "c1", "x-litellm-response-cost": "0.001" };

const ANSWERS: Readonly<Record<Door, string>> = {
  chat: JSON.stringify({
    id: "c1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: NAME,
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hello" } }],
    usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
  }),
  messages: JSON.stringify({
    id: "m1",
    type: "message",
    role: "assistant",
    model: NAME,
    content: [{ type: "text", text: "hello" }],
    stop_reason: "end_turn",
    usage: { input_tokens: 10, output_tokens: 2 },
  }),
};

async function measureProxy(quick: boolean): Promise<ProxyReport> {
  await using fake = await startFakeProvider({ reply: () => ({ text: "hello" }), keepsBodies: false });
  await using proxy = await startLiteLlm({ models: { [NAME]: { model: NAME, api_key: KEY, api_base: fake.origin } } });
  const proxied = { LITELLM_BASE_URL: `${proxy.url}/v1`, LITELLM_API_KEY: MASTER_KEY };
  const open = (env: Readonly<Record<string, string>>): Promise<Model> =>
    createModelProvider({ env: parseModelEnv(env), currentCaller: () => caller }).getModel(NAME);
  const ways = {
    direct: await open({ ANTHROPIC_BASE_URL: fake.origin, ANTHROPIC_API_KEY: KEY }),
    chat: await open({ ...proxied, FLOTILLA_LITELLM_API: "chat" }),
    messages: await open({ ...proxied, FLOTILLA_LITELLM_API: "messages" }),
  };
  const samples: Record<keyof typeof ways, number[]> = { direct: [], chat: [], messages: [] };
  const [warmUp, count] = quick ? [10, 40] : [50, 400];
  for (let index = 0; index < warmUp + count; index += 1) {
    for (const way of ["direct", ...DOORS] as const) {
      const { wall } = await timed(ways[way], 1);
      if (index >= warmUp) samples[way].push(wall / 1_000);
    }
  }
  const [direct, chat, messages] = [samples.direct, samples.chat, samples.messages].map(median);
  const ratio = (door: number | undefined): number => round((door ?? Number.NaN) / (direct ?? Number.NaN));
  return {
    directMs: spread(samples.direct),
    chatMs: spread(samples.chat),
    messagesMs: spread(samples.messages),
    ratio: { chat: ratio(chat), messages: ratio(messages) },
  };
}
