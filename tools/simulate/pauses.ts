/** People who pause runs, agents and tenants at any time, and resume them. */
import type { PauseScope } from "../../src/protocol/pause.ts";
import { DEFAULT_TENANT } from "../../src/protocol/ids.ts";
import { isFinal } from "../../src/protocol/run.ts";
import type { MemoryRun } from "../../src/testing/memory-run-state.ts";
import { AGENTS } from "./plan.ts";
import { producerFor } from "./processes.ts";
import type { Simulation } from "./simulation.ts";

const NOTE = { by: "somebody" };

/** Everything that could be resumed now: the runs that are paused by themselves, the agents and tenants that are. */
function paused({ world }: Simulation): { readonly runs: MemoryRun[]; readonly scopes: PauseScope[] } {
  const scopes = [...AGENTS.map((agent) => ({ agent })), { tenant: DEFAULT_TENANT }];
  return {
    runs: [...world.runs.values()].filter(({ info, pause }) => pause !== undefined && !isFinal(info.status)),
    scopes: scopes.filter((scope) => world.pauses.has(idOf(scope))),
  };
}

/** As the store names a scope; written out, because what is checked must not be asked how it is done. */
const idOf = (scope: PauseScope): string => ("agent" in scope ? `agent\n${scope.agent}` : `tenant\n${scope.tenant}`);

/** True where a person said that the run is to make no progress. */
export const isHeldBack = ({ world }: Pick<Simulation, "world">, { info, pause }: MemoryRun): boolean =>
  pause !== undefined || world.pauses.has(idOf({ agent: info.agent })) || world.pauses.has(idOf({ tenant: info.tenant }));

export function pauseSomething(sim: Simulation): Promise<unknown> {
  const { random, world } = sim;
  const runs = [...world.runs.values()].filter(({ info }) => !isFinal(info.status));
  const run = runs[random.below(runs.length)];
  const dice = random.next();
  if (dice < 0.6 && run !== undefined) return personFor(sim, run.info.runId).run(run.info.runId).pause(NOTE);
  return personFor(sim).pause(dice < 0.9 ? { agent: random.pick(AGENTS) } : { tenant: DEFAULT_TENANT }, NOTE);
}

/** Undefined: nothing is paused. */
export function resumeSomething(sim: Simulation): Promise<unknown> | undefined {
  const { runs, scopes } = paused(sim);
  const which = sim.random.below(runs.length + scopes.length);
  const [run, scope] = [runs[which], scopes[which - runs.length]];
  if (run !== undefined) return personFor(sim, run.info.runId).run(run.info.runId).resume();
  return scope === undefined ? undefined : personFor(sim).resume(scope);
}

const personFor = (sim: Simulation, runId = "") => producerFor(sim, `pauser${sim.nextNumber()}`, () => runId);
