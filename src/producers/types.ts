/** What a fleet's type tells a producer: names of agents and what they put out. Types only, so that no agent's code is loaded. */
import type { RunResult } from "../protocol/run.ts";

/** Text for the agent, or the SDK's input items. */
export type RunInput = string | readonly object[];

/** By agent name: the type of its final output, and of its input where it is not text. */
export type FleetTypes = Readonly<Record<string, { readonly output: unknown; readonly input?: unknown }>>;

/** The agents of a fleet, read from its phantom property; any name for everything else. */
export type AgentsOf<F> = F extends { readonly "~agents"?: infer A }
  ? NonNullable<A> extends FleetTypes
    ? NonNullable<A>
    : FleetTypes
  : FleetTypes;

export type AgentName<A extends FleetTypes> = keyof A & string;

/** Where nothing is known of an agent, its workers check what it is given. */
export type InputOf<A extends FleetTypes, Name extends AgentName<A>> = A[Name] extends { readonly input: infer Input }
  ? Input
  : RunInput | Readonly<Record<string, unknown>>;

type Completed<A extends FleetTypes> = {
  [Name in AgentName<A>]: Extract<RunResult<A[Name]["output"]>, { status: "completed" }> & { readonly agent: Name };
}[AgentName<A>];

/** How a run ended. A completed one is discriminated by the agent that ended it, which need not be the one it was given to. */
export type FleetResult<A extends FleetTypes> = Completed<A> | Exclude<RunResult, { status: "completed" }>;

export type FleetOutput<A extends FleetTypes> = A[AgentName<A>]["output"];
