/** Runs one seed from its scenario to its verdict, and makes a failing one small. */
import type { CheckCounts, InvariantViolation } from "./invariants.ts";
import type { Mutant } from "./mutant.ts";
import type { Plan } from "./plan.ts";
import { calmScenario, type Scenario, scenarioOf } from "./scenario.ts";
import { createSimulation, type Simulation } from "./simulation.ts";
import { runSteps } from "./steps.ts";
import { checkEnd, type Undisturbed, undisturbedOf } from "./verdict.ts";

export interface SeedReport {
  readonly seed: number;
  readonly steps: number;
  readonly faults: readonly { readonly number: number; readonly what: string }[];
  readonly violation: InvariantViolation | undefined;
  readonly counts: CheckCounts;
  readonly trace: readonly string[];
  readonly traceHash: () => string;
  /** How each run ended. */
  readonly endings: readonly string[];
}

export interface SeedOptions {
  readonly mutant?: Mutant | undefined;
  /** Numbers of faults that are left out. */
  readonly without?: ReadonlySet<number>;
}

export async function runSeed(seed: number, { mutant, without = new Set() }: SeedOptions = {}): Promise<SeedReport> {
  const { sim, steps } = await simulate(scenarioOf(seed), mutant, without);
  const { checker } = sim.monitor;
  if (checker.first === undefined) await checkEnd(sim, undisturbed);
  return {
    seed,
    steps,
    faults: sim.chaos.happened,
    violation: checker.first,
    counts: checker.counts,
    trace: sim.scheduler.trace,
    traceHash: () => sim.scheduler.traceHash(),
    endings: [...sim.world.runs.values()].map(({ info }) => info.status),
  };
}

async function simulate(
  scenario: Scenario,
  mutant: Mutant | undefined,
  without: ReadonlySet<number>,
): Promise<{ sim: Simulation; steps: number }> {
  const sim = createSimulation(scenario, mutant, without);
  return { sim, steps: await runSteps(sim) };
}

const known = new Map<string, Undisturbed>();

/** Plans repeat; each is run undisturbed once. The fleet that is compared with is always the sound one. */
async function undisturbed(plan: Plan): Promise<Undisturbed> {
  const name = JSON.stringify(plan);
  const there = known.get(name);
  if (there !== undefined) return there;
  const { sim } = await simulate(calmScenario(plan), undefined, new Set());
  const [runId = ""] = sim.plans.keys();
  const result = undisturbedOf(sim, runId);
  if (known.size > 20_000) known.clear();
  known.set(name, result);
  return result;
}

/** Leaves out every fault that the violation does not need. */
export async function shrink(failing: SeedReport, mutant?: Mutant): Promise<SeedReport> {
  let smallest = failing;
  const without = new Set<number>();
  for (const { number } of failing.faults) {
    const fewer = new Set([...without, number]);
    const report = await runSeed(failing.seed, { mutant, without: fewer });
    if (report.violation?.invariant !== failing.violation?.invariant) continue;
    without.add(number);
    smallest = report;
  }
  return smallest;
}
