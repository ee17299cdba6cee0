/** One team and one script of what its models answer, for every door by which a model can be reached. */
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { toolPolicy } from "../../src/index.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";

export interface TeamPlan {
  /** Of the first hop, and of the second and its nested agent. */
  readonly models: readonly [string, string];
  readonly stream: boolean;
  /** Called when a tool runs. */
  readonly onEffect?: (tool: string) => void;
}

/** Triage with a tool, a handoff, a specialist with a pair of tools and a nested agent, an answer of a fixed form; both think. */
export function doorTeam({ models: [first, second], stream, onEffect }: TeamPlan) {
  const lookUp = (name: string, description: string) =>
    toolPolicy(
      tool({
        name,
        description,
        parameters: z.object({ id: z.string() }),
        execute: ({ id }) => {
          onEffect?.(name);
          return `${name} of ${id}`;
        },
      }),
      { onCrash: "idempotent" },
    );
  const modelSettings = { reasoning: { effort: "low" as const } };
  const expert = new Agent({ name: "expert", instructions: "Expert", model: second });
  const specialist = new Agent({
    name: "specialist",
    instructions: "Specialist",
    model: second,
    // No provider takes a name with a blank and a dot.
    tools: [
      lookUp("order.of it", "Finds an order"),
      lookUp("customer", "Finds a customer"),
      expert.asTool({ toolName: "ask_expert", toolDescription: "Asks the expert" }),
    ],
    outputType: z.object({ city: z.string(), parcels: z.array(z.object({ id: z.string(), late: z.boolean() })) }),
    modelSettings,
  });
  const triage = Agent.create({
    name: "triage",
    instructions: "Triage",
    model: first,
    tools: [lookUp("topic", "Names the topic")],
    handoffs: [specialist],
    modelSettings,
  });
  return { triage: { agent: triage, stream }, specialist: { agent: specialist, stream } };
}

export const ANSWER = { city: "Ålesund", parcels: [{ id: "p-1", late: true }] };

/** Model calls of the whole team. */
export const CALLS = 6;

/** Of every call, so that all doors count the same. */
export const USAGE = { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50, reasoningTokens: 7 };

/** What the models of the team say: the same for whichever API asks. */
export const doorScript = (call: FakeCall): FakeReply => ({ ...turnOf(call), usage: USAGE });

function turnOf({ instructions, toolResults }: FakeCall): FakeReply {
  const done = new Set(toolResults.map(({ name }) => name));
  if (instructions.startsWith("Expert")) return { text: "It is late: the pass is closed." };
  if (instructions.startsWith("Triage")) {
    return done.has("topic")
      ? { reasoning: "A parcel.", text: "I pass you on.", toolCalls: [{ name: "transfer_to_specialist", arguments: {} }] }
      : { reasoning: "What is it about?", text: "Let me see.", toolCalls: [{ name: "topic", arguments: { id: "m-1" } }] };
  }
  if (!done.has("customer")) {
    const pair = [
      { name: "order_of_it", arguments: { id: "o-1" } },
      { name: "customer", arguments: { id: "c-1" } },
    ];
    return { reasoning: "Look both up.", text: "I look.", toolCalls: pair };
  }
  if (!done.has("ask_expert")) return { reasoning: "Ask.", toolCalls: [{ name: "ask_expert", arguments: { input: "Is it late?" } }] };
  return { reasoning: "Say it.", text: JSON.stringify(ANSWER) };
}

/** Each door by what an agent names and what the worker's environment says. */
export interface Door {
  readonly model: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface DoorPlaces {
  readonly fake: { readonly url: string; readonly origin: string };
  /** Without its `/v1`. */
  readonly proxyUrl: string;
  readonly proxyKey: string;
}

export const PROVIDER_KEY = "sk-of-the-provider";
const CLAUDE = "anthropic/claude-sonnet-4-6";

export const DOORS = {
  responses: ({ fake }: DoorPlaces): Door => ({ model: "gpt-x", env: { OPENAI_API_KEY: PROVIDER_KEY, OPENAI_BASE_URL: fake.url } }),
  chat: ({ fake }: DoorPlaces): Door => ({
    model: "gpt-x",
    env: { OPENAI_API_KEY: PROVIDER_KEY, OPENAI_BASE_URL: fake.url, FLOTILLA_OPENAI_API: "chat" },
  }),
  anthropic: ({ fake }: DoorPlaces): Door => ({ model: CLAUDE, env: { ANTHROPIC_API_KEY: PROVIDER_KEY, ANTHROPIC_BASE_URL: fake.origin } }),
  "litellm chat": ({ proxyUrl, proxyKey }: DoorPlaces): Door => ({
    model: CLAUDE,
    env: { LITELLM_BASE_URL: `${proxyUrl}/v1`, LITELLM_API_KEY: proxyKey, FLOTILLA_LITELLM_API: "chat" },
  }),
  "litellm messages": ({ proxyUrl, proxyKey }: DoorPlaces): Door => ({
    model: CLAUDE,
    env: { LITELLM_BASE_URL: `${proxyUrl}/v1`, LITELLM_API_KEY: proxyKey, FLOTILLA_LITELLM_API: "messages" },
  }),
} as const;
export type DoorName = keyof typeof DOORS;
// Reason for the cast: the keys of a literal object are what `keyof` says.
export const DOOR_NAMES = Object.keys(DOORS) as DoorName[];

/** Doors that one fleet can use together, as its agents name them: the proxy takes Claude by one of its two only. */
export const TOGETHER = {
  "without a proxy": { responses: "gpt-x", chat: "local/gpt-y", anthropic: CLAUDE },
  "with the proxy's messages": { responses: "gpt-x", chat: "local/gpt-y", "litellm messages": CLAUDE, "litellm chat": "proxied/gpt-x" },
  "with the proxy's chat": { responses: "gpt-x", chat: "local/gpt-y", "litellm chat": CLAUDE },
} as const;

export const envOfTogether = (together: keyof typeof TOGETHER, places: DoorPlaces): Readonly<Record<string, string>> => ({
  ...DOORS.responses(places).env,
  LOCAL_KEY: PROVIDER_KEY,
  ...(together === "without a proxy"
    ? DOORS.anthropic
    : together === "with the proxy's chat"
      ? DOORS["litellm chat"]
      : DOORS["litellm messages"])(places).env,
});
