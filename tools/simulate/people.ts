/** What people do about runs that wait for them. They look at the world outside before they say whether an effect happened. */
import type { RunHandle } from "../../src/producers/run-handle.ts";
import type { MemoryRun } from "../../src/testing/memory-run-state.ts";
import { resultOf } from "./fleet.ts";
import { planIn, type ToolName } from "./plan.ts";
import type { Simulation } from "./simulation.ts";
import { producerFor } from "./processes.ts";

/** Runs that a person could do something about now. */
export const waitingForPeople = (sim: Simulation): MemoryRun[] =>
  [...sim.world.runs.values()].filter(({ info, approvals, intents }) => {
    if (info.status !== "suspended") return false;
    return info.suspension === "approval" ? approvals.size > 0 : info.suspension === "effect-unknown" && intents.size > 0;
  });

/** Answers one open question of the run. `wrongly`: as a person who decides before having looked, or gives up. */
export function answer(sim: Simulation, run: MemoryRun, wrongly = false): Promise<void> {
  const { runId } = run.info;
  const handle = producerFor(sim, `person${sim.nextNumber()}`, () => runId).run(runId);
  const [approval] = run.approvals.keys();
  const said = approval === undefined ? resolve(sim, handle, run, wrongly) : decide(handle, run, approval);
  return said.catch(() => undefined);
}

function decide(handle: RunHandle, { items }: MemoryRun, callId: string): Promise<void> {
  const { approve } = planIn(items[0] ?? "");
  return approve ? handle.approve(callId) : handle.reject(callId);
}

async function resolve({ outside }: Simulation, handle: RunHandle, run: MemoryRun, giveUp: boolean): Promise<void> {
  const [opened] = run.intents.values();
  if (opened === undefined) return;
  const { callId, arguments: args, tool } = opened.intent;
  if (giveUp) {
    outside.failedByPerson.add(run.info.runId);
    return handle.resolve(callId, { type: "fail" });
  }
  const happened = outside.effects.some((effect) => effect.runId === run.info.runId && effect.callId === callId);
  // Written by the scripted model: `{"n":…}`, and one of the plan's tools.
  const { n } = JSON.parse(args) as { n: number };
  return handle.resolve(callId, happened ? { type: "ran", result: resultOf(tool as ToolName, n) } : { type: "not-run" });
}
