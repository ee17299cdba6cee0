/** Runs one agent graph through plain `Runner.run` and through the fleet, and shows what each produced, in one comparable form. */
import { type Agent, type AgentInputItem, type ModelProvider, Runner } from "@openai/agents";
import { ScriptedModel, type ScriptedModelInput } from "@openai/agents/testing";
import { createFleet } from "../../src/fleet.ts";
import { testFleet } from "../../src/testing/test-fleet.ts";
import type { AgentMap, AnyAgent } from "../../src/agents/catalog.ts";

export interface Graph {
  readonly agents: AgentMap;
  readonly entry: AnyAgent;
}

export interface Account {
  readonly output: unknown;
  readonly lastAgent: string | undefined;
  readonly items: unknown[];
  readonly tokens: number;
  readonly requests: number;
  readonly hooks: string[];
  /** What user code did. Apart from the hooks, because parallel tools may interleave with them either way. */
  readonly notes: string[];
}

export interface Case {
  /** Builds the graph anew, so that the two runs share nothing. `note` collects what user code did. */
  readonly graph: (note: (what: string) => void) => Graph;
  readonly script: readonly ScriptedModelInput[];
  readonly input?: string;
  readonly context?: Record<string, unknown>;
}

export async function runPlain({ graph, script, input = "hello", context = {} }: Case): Promise<Account> {
  const hooks: string[] = [];
  const notes: string[] = [];
  const { agents, entry } = graph((what) => notes.push(what));
  listen(agents, hooks);
  const model = new ScriptedModel([...script]);
  const provider: ModelProvider = { getModel: () => model };
  const runner = new Runner({ modelProvider: provider, tracingDisabled: true });
  const result = await runner.run(entry, [{ type: "message", role: "user", content: input }], { context });
  model.assertComplete();
  const { usage } = result.state;
  return {
    output: plain(result.finalOutput),
    lastAgent: result.lastAgent?.name,
    items: comparable(result.history),
    tokens: usage.inputTokens + usage.outputTokens,
    requests: usage.requests,
    hooks,
    notes,
  };
}

export async function runFleet({ graph, script, input = "hello", context = {} }: Case): Promise<Account> {
  const hooks: string[] = [];
  const notes: string[] = [];
  const { agents, entry } = graph((what) => notes.push(what));
  listen(agents, hooks);
  const model = new ScriptedModel([...script]);
  const fleet = testFleet(createFleet({ agents }), { models: { "*": model } });
  const run = await fleet.submit(entry.name, input, { context });
  await fleet.settle();
  const result = await run.result();
  model.assertComplete();
  if (result.status !== "completed") throw new Error(`The fleet's run ended as ${JSON.stringify(result)}`);
  const items = (await fleet.store.items(run.id)).flatMap((chunk) => JSON.parse(chunk) as AgentInputItem[]);
  const { usage } = result;
  return {
    output: result.output,
    lastAgent: result.agent,
    items: comparable(items),
    tokens: usage.inputTokens + usage.outputTokens,
    requests: usage.requests,
    hooks,
    notes,
  };
}

function listen(agents: AgentMap, hooks: string[]): void {
  for (const value of Object.values(agents)) {
    const agent: Agent = "agent" in value ? value.agent : value;
    agent.on("agent_start", () => hooks.push(`${agent.name} start`));
    agent.on("agent_end", () => hooks.push(`${agent.name} end`));
    agent.on("agent_handoff", (_context, next) => hooks.push(`${agent.name} > ${next.name}`));
    agent.on("agent_tool_start", (_context, tool) => hooks.push(`${agent.name} tool ${tool.name}`));
    agent.on("agent_tool_end", (_context, tool) => hooks.push(`${agent.name} tool ${tool.name} end`));
  }
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

/** The fleet makes its own call ids, so ids are compared by the order in which they appear. */
function comparable(items: readonly unknown[]): unknown[] {
  const seen = new Map<string, string>();
  return JSON.parse(JSON.stringify(items), (key, value: unknown) => {
    if (key !== "callId" || typeof value !== "string") return value;
    if (!seen.has(value)) seen.set(value, `call ${seen.size + 1}`);
    return seen.get(value);
  });
}
