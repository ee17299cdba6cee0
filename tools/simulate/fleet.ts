/** The fleet under simulation: three plain SDK agents with tools of every crash policy. Their code is shared by all simulated workers. */
import { Agent, type RunContext, tool } from "@openai/agents";
import { z } from "zod";
import { type AnyAgent, type Catalog, createCatalog } from "../../src/agents/catalog.ts";
import { currentCall } from "../../src/agents/hop-state.ts";
import { type LostCall, toolPolicy } from "../../src/agents/tool-policy.ts";
import type { Outside } from "./outside.ts";
import type { AgentName, ToolName } from "./plan.ts";
import type { Actor, Scheduler } from "./scheduler.ts";

/** What each simulated worker's context factory adds: the way out of the agents' code into this simulation. */
export interface Reach {
  readonly actor: Actor;
  readonly scheduler: Scheduler;
  readonly outside: Outside;
  /** Called when an effect is about to happen. */
  readonly onEffect: (runId: string, callId: string, tool: ToolName, actor: Actor) => void;
}

export interface Context {
  counted?: number;
  /** Absent from what is stored: it is a live object. */
  reach?: Reach;
}

const parameters = z.object({ n: z.int() });

async function act(name: ToolName, ordinal: number, runContext: RunContext<Context> | undefined): Promise<string> {
  const call = currentCall();
  const reach = runContext?.context.reach;
  if (call === undefined || reach === undefined) throw new Error("A tool of the simulation ran outside it.");
  const { actor, scheduler, outside } = reach;
  await scheduler.point(actor, `tool ${name} ${ordinal} begins`);
  reach.onEffect(call.runId, call.callId, name, actor);
  const { runId, callId, idempotencyKey } = call;
  outside.effects.push({ runId, tool: name, ordinal, callId, idempotencyKey, by: actor.name });
  if (name === "count" && runContext !== undefined) runContext.context.counted = (runContext.context.counted ?? 0) + ordinal + 1;
  await scheduler.point(actor, `tool ${name} ${ordinal} has taken effect`);
  return resultOf(name, ordinal);
}

export const resultOf = (name: ToolName, ordinal: number): string => `${name} ${ordinal} done`;

const makeTool = (name: ToolName, needsApproval: boolean) =>
  tool<typeof parameters, Context>({
    name,
    description: `Does ${name}.`,
    parameters,
    needsApproval,
    execute: ({ n }, runContext) => act(name, n, runContext),
  });

/** What the `ship` tool's reconcile function answers. */
export type AskLedger = (call: LostCall) => { ran: string } | { notRun: true };

// Making an agent costs as much as a run, so that all simulations of a process share theirs; they run one after the other. A reconcile
// function is given the call alone, and so cannot reach its simulation through the context as tools do.
let ledger: AskLedger = () => ({ notRun: true });
let catalog: Catalog | undefined;

/** The fleet, for the one simulation that runs now. */
export function fleetFor(askLedger: AskLedger): Catalog {
  ledger = askLedger;
  catalog ??= createSimulatedFleet();
  return catalog;
}

function createSimulatedFleet(): Catalog {
  const tools = [
    toolPolicy(makeTool("note", false), { onCrash: "idempotent" }),
    toolPolicy(makeTool("count", false), { onCrash: "idempotent" }),
    makeTool("charge", false),
    toolPolicy(makeTool("ship", false), { onCrash: { reconcile: (call) => ledger(call) } }),
    makeTool("refund", true),
  ];
  const alpha: AnyAgent = new Agent<Context>({ name: "alpha", instructions: "You are alpha.", model: "scripted", tools });
  const beta: AnyAgent = new Agent<Context>({ name: "beta", instructions: "You are beta.", model: "scripted", tools });
  const said = z.object({ said: z.string() });
  const gamma: AnyAgent = new Agent<Context, typeof said>({
    name: "gamma",
    instructions: "You are gamma.",
    model: "scripted",
    tools,
    outputType: said,
  });
  alpha.handoffs = [beta, gamma];
  beta.handoffs = [alpha, gamma];
  gamma.handoffs = [alpha, beta];
  const agents = { alpha, beta: { agent: beta, stream: false }, gamma: { agent: gamma, queue: "slow" } } satisfies Record<
    AgentName,
    unknown
  >;
  return createCatalog(agents, "1");
}
