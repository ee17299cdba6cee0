/**
 * What a simulated run is to do, and the model that does it. The plan rides in the run's input, and the model is a pure function of the
 * request: whatever was asked before, the same question gets the same answer. So a replay that agrees with itself ends where an
 * undisturbed run ends.
 */
import type { AgentInputItem, ModelRequest, ModelResponse } from "@openai/agents";
import type { Random } from "./random.ts";

export const TOOLS = ["note", "count", "charge", "ship", "refund"] as const;
export type ToolName = (typeof TOOLS)[number];
export const AGENTS = ["alpha", "beta", "gamma"] as const;
export type AgentName = (typeof AGENTS)[number];

/** One model answer: tool calls, a handoff, or the end. */
export type Turn =
  | { readonly type: "tools"; readonly tools: readonly ToolName[] }
  | { readonly type: "handoff"; readonly to: AgentName }
  | { readonly type: "say" };

export interface Plan {
  readonly entry: AgentName;
  readonly turns: readonly Turn[];
  /** What a person says to the run's `refund` calls. */
  readonly approve: boolean;
}

export function makePlan(random: Random): Plan {
  const entry = random.pick(AGENTS);
  const turns: Turn[] = [];
  let agent: AgentName = entry;
  const hops = 1 + (random.chance(0.45) ? 1 : 0) + (random.chance(0.1) ? 1 : 0);
  for (let hop = 0; hop < hops; hop++) {
    const count = random.below(hops === 1 ? 4 : 3);
    for (let index = 0; index < count; index++) turns.push({ type: "tools", tools: toolsOf(random) });
    if (hop === hops - 1) break;
    const others = AGENTS.filter((name) => name !== agent);
    agent = others[random.below(others.length)] ?? agent;
    turns.push({ type: "handoff", to: agent });
  }
  turns.push({ type: "say" });
  return { entry, turns, approve: random.chance(0.7) };
}

/**
 * `count` is never beside another tool: what one of two parallel tools writes to the context is journaled with whichever ends first, so a
 * death between the two may lose or repeat it. That is known (docs/how-to/simulation.md), and would hide everything else.
 */
function toolsOf(random: Random): ToolName[] {
  const first = random.pick(TOOLS);
  return first !== "count" && random.chance(0.2) ? [first, random.pick(BESIDE_OTHERS)] : [first];
}

const BESIDE_OTHERS = ["note", "charge", "ship", "refund"] as const;

export const inputOf = (plan: Plan): string => `PLAN ${JSON.stringify(plan)}`;

/** The run's own items: what stands in front of its input, earlier runs of its conversation said. */
function ownItems(input: ModelRequest["input"]): AgentInputItem[] {
  if (typeof input === "string") return [];
  return input.slice(
    Math.max(
      0,
      input.findLastIndex((item) => "role" in item && item.role === "user" && JSON.stringify(item).includes("PLAN {")),
    ),
  );
}

/** @throws Error for an input that `inputOf` did not make. */
export function planIn(items: ModelRequest["input"]): Plan {
  const text = typeof items === "string" ? items : JSON.stringify(items[0] ?? {});
  const match = /PLAN (\{.*?\})(?=")/.exec(text.replaceAll('\\"', "'"));
  // Made by `inputOf` in this very process.
  if (match !== null) return JSON.parse((match[1] ?? "").replaceAll("'", '"')) as Plan;
  throw new Error(`Expected the plan in the first item; got ${text.slice(0, 200)}.`);
}

export interface Answer {
  readonly text: string;
  readonly output: ModelResponse["output"];
  readonly final: boolean;
}

/** @param structured the agent has an output type, so its last answer is JSON */
export function answerTo(input: ModelRequest["input"], structured: boolean): Answer {
  const items = ownItems(input);
  const plan = planIn(items);
  const { turn, index, callsBefore } = turnAfter(plan, items);
  if (turn.type === "say") {
    const heard = items.flatMap((item) => (item.type === "function_call_result" ? [resultText(item)] : []));
    const said = `${items.length} items; ${heard.join(" + ")}`;
    const text = structured ? JSON.stringify({ said }) : said;
    return { text, output: [message(text)], final: true };
  }
  const text = `turn ${index} of ${plan.turns.length}`;
  const calls =
    turn.type === "handoff"
      ? [call(`transfer_to_${turn.to}`, {}, callsBefore)]
      : turn.tools.map((tool, at) => call(tool, { n: callsBefore + at }, callsBefore + at));
  return { text, output: [message(text), ...calls], final: false };
}

function turnAfter(plan: Plan, items: readonly AgentInputItem[]): { turn: Turn; index: number; callsBefore: number } {
  const made = items.filter(({ type }) => type === "function_call").length;
  let callsBefore = 0;
  for (const [index, turn] of plan.turns.entries()) {
    if (callsBefore >= made && turn.type !== "say") return { turn, index, callsBefore };
    if (turn.type === "say") return { turn, index, callsBefore };
    callsBefore += turn.type === "handoff" ? 1 : turn.tools.length;
  }
  return { turn: { type: "say" }, index: plan.turns.length, callsBefore };
}

const resultText = (item: Extract<AgentInputItem, { type: "function_call_result" }>): string =>
  typeof item.output === "string" ? item.output : JSON.stringify(item.output);

const message = (text: string): ModelResponse["output"][number] => ({
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text }],
});

const call = (name: string, args: object, ordinal: number): ModelResponse["output"][number] => ({
  type: "function_call",
  callId: `given-${ordinal}`,
  name,
  status: "completed",
  arguments: JSON.stringify(args),
});
