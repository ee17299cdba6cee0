/** The load of a chaos run: which job is plain, waits for a person, speaks in a conversation, is cancelled; and which holds the loop. */
import { type DecisionPlan, type Job, USUAL_TOOLS, WORDS } from "./jobs.ts";
import type { ChaosOptions } from "./options.ts";
import { type Chance, createChance } from "./random.ts";

/** By the job's number, over and over: plain 60 %, approval 15 %, conversation (turn) 15 %, cancelled 10 %. */
const MIX = "ptaptxppapptppappxpp";
const RUNS_OF_A_TALK = 5;
/** Of each conversation, this run also waits for a person. */
const RUN_THAT_ASKS = 3;
/** A run lasts about so long: the cancel comes at any place of it, while it waits for its turn or its person, or too late. */
const CANCEL_WITHIN_MS = 1_500;
const BLOCK_LEASES = [0.5, 1, 3];
const MAX_VALUE = 9_999;

export function makeJobs({ mode, runs, seed, leaseMs, faults }: ChaosOptions): Job[] {
  const chance = createChance(seed);
  const blocks = mode === "block" ? (faults ?? Math.max(3, Math.ceil(runs / 25))) : 0;
  const every = blocks === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(runs / blocks));
  const traits = traitsOf(createChance(seed + 1));
  return Array.from({ length: runs }, (_, number): Job => {
    const job = { number, value: chance.between(1, MAX_VALUE), ...traits(number) };
    if (number % every !== 0 || number / every >= blocks) return job;
    const turn = number / every;
    const tool = chance.pick(USUAL_TOOLS) ?? "note";
    return { ...job, block: { tool, ms: Math.round(leaseMs * (BLOCK_LEASES[turn % BLOCK_LEASES.length] ?? 1)) } };
  });
}

type Traits = Pick<Job, "refund" | "plan" | "talk" | "cancelAfterMs">;

/** To be asked for one number after the other: a conversation's runs are counted. */
function traitsOf(chance: Chance): (number: number) => Traits {
  let turns = 0;
  let cancels = 0;
  const approval = (): Traits => ({ refund: true, plan: planOf(chance) });
  const talk = (): Traits => {
    const turn = turns++;
    return { talk: `talk-${Math.floor(turn / RUNS_OF_A_TALK)}`, ...(turn % RUNS_OF_A_TALK === RUN_THAT_ASKS ? approval() : {}) };
  };
  const cancelled = [talk, approval, (): Traits => ({})];
  return (number) => {
    switch (MIX[number % MIX.length]) {
      case "a":
        return approval();
      case "t":
        return talk();
      case "x":
        return { ...cancelled[cancels++ % cancelled.length]?.(), cancelAfterMs: chance.between(0, CANCEL_WITHIN_MS) };
      default:
        return {};
    }
  };
}

const planOf = (chance: Chance): DecisionPlan => ({
  word: chance.pick(WORDS) ?? "approve",
  isContested: chance.next() < 0.4,
  isRepeated: chance.next() < 0.4,
});
