/** What a seed stands for: which runs, how much goes wrong, and how. */
import { makePlan, type Plan } from "./plan.ts";
import { createRandom } from "./random.ts";

export interface ScenarioRun {
  readonly plan: Plan;
  readonly idempotencyKey: string | undefined;
  readonly delayMs: number;
  /** Short for some runs, so that they expire in every state; else out of reach. */
  readonly deadlineMs: number;
  readonly maxHops: number;
  readonly followed: boolean;
  readonly conversation: string | undefined;
}

export interface Scenario {
  readonly seed: number;
  readonly runs: readonly ScenarioRun[];
  readonly maxDeaths: number;
  readonly faults: number;
  readonly faultRate: number;
  /** The model gives bad answers where a form is asked for. */
  readonly weakModel: boolean;
  /** Steps before calm comes. */
  readonly stormSteps: number;
}

/** So few that how each comes out undisturbed is known soon; what is done to them never repeats. */
const PLANS = 600;
export const CONVERSATION = "talk";
const FAR_MS = 20 * 24 * 60 * 60 * 1_000;

export function scenarioOf(seed: number): Scenario {
  // Another stream than the one that schedules, so that leaving a fault out does not change the runs.
  const random = createRandom(seed + 1_000_000_007);
  const talks = random.chance(0.25);
  const count = talks ? 2 + random.below(2) : random.chance(0.25) ? 2 : 1;
  const runs = Array.from(
    { length: count },
    (_, index): ScenarioRun => ({
      plan: makePlan(createRandom(random.below(PLANS))),
      idempotencyKey: random.chance(0.5) ? `key-${index}` : undefined,
      delayMs: !talks && random.chance(0.15) ? 1 + random.below(30_000) : 0,
      deadlineMs: random.chance(0.1) ? 500 + random.below(40_000) : FAR_MS,
      maxHops: 32,
      followed: random.chance(0.4),
      conversation: talks ? CONVERSATION : undefined,
    }),
  );
  const stormy = random.chance(0.9);
  return {
    seed,
    runs,
    maxDeaths: random.chance(0.3) ? 1 : 5,
    faults: stormy ? 2 + random.below(random.chance(0.2) ? 40 : 10) : 0,
    weakModel: random.chance(0.25),
    faultRate: random.pick([0.006, 0.02, 0.06]),
    stormSteps: 60 + random.below(240),
  };
}

/** The same plan, alone and undisturbed. */
export const calmScenario = (plan: Plan): Scenario => ({
  seed: 0,
  runs: [{ plan, idempotencyKey: undefined, delayMs: 0, deadlineMs: FAR_MS, maxHops: 32, followed: false, conversation: undefined }],
  maxDeaths: 5,
  faults: 0,
  faultRate: 0,
  weakModel: false,
  stormSteps: 0,
});
