/**
 * The verdict of a chaos run: pure, from the evidence. What a run's stream holds is only used to say when an answer was journaled; that a
 * call was made, that an effect happened and what came out is taken from the provider's book, the effects file and the producer.
 */
import type { Evidence, RunEvidence } from "./evidence.ts";
import { expectedOutput, TOOLS } from "./jobs.ts";
import { countRepeats } from "./repeats.ts";
import { percentiles, recoveryTimes } from "./recovery.ts";

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Verdict {
  readonly runs: number;
  /** SIGKILLs sent, to workers or to Redis. */
  readonly kills: number;
  readonly faults: number;
  /** Runs that did not complete. */
  readonly lost: number;
  /** Final events beyond the first of a run, and keys that found a second run. */
  readonly doubled: number;
  /** Calls made again by an attempt that began when their answer was journaled, or without a fault that explains them. */
  readonly paidTwice: number;
  /** Calls made again because a fault cut them off before their answer was journaled. */
  readonly repeatedInFlight: number;
  /** Calls of an attempt that did not know yet that another one has the run; at most one for each such attempt. */
  readonly repeatedBySuperseded: number;
  readonly effectsRepeated: number;
  /** Runs that completed with another output than their input's, or without their effects. */
  readonly divergent: number;
  /** Suspensions as `effect-unknown` that the harness resolved from the effects file. */
  readonly suspendedUnknown: number;
  readonly callsServed: number;
  readonly turnsHeld: number;
  readonly recoveryMs: Percentiles;
  readonly recoveries: number;
  /** One line for each thing that is wrong. */
  readonly problems: readonly string[];
}

export function judge(evidence: Evidence): Verdict {
  const { runs, calls, faults } = evidence;
  const problems: string[] = [];
  const say = (line: string): void => void problems.push(line);
  const repeats = countRepeats(evidence, say);
  const times = recoveryTimes(evidence);
  const sum = (of: (run: RunEvidence) => number): number => runs.reduce((total, run) => total + of(run), 0);
  return {
    runs: runs.length,
    kills: faults.filter(({ kind }) => kind === "kill" || kind === "redis").length,
    faults: faults.length,
    lost: sum((run) => lost(run, say)),
    doubled: sum((run) => doubled(run, say)),
    ...repeats,
    effectsRepeated: effectsRepeated(evidence, say),
    divergent: sum((run) => divergent(run, evidence, say)),
    suspendedUnknown: sum(({ resolved }) => resolved.ran + resolved.notRun),
    callsServed: calls.filter(({ served }) => served).length,
    turnsHeld: sum(({ steps }) => steps.filter(({ type }) => type === "turn.completed").length),
    recoveryMs: percentiles(times),
    recoveries: times.length,
    problems,
  };
}

/** What a fleet must never do. */
export type Violations = Pick<Verdict, "lost" | "doubled" | "paidTwice" | "effectsRepeated" | "divergent">;

export const isGood = (found: Violations): boolean =>
  found.lost + found.doubled + found.paidTwice + found.effectsRepeated + found.divergent === 0;

type Say = (line: string) => void;

function lost({ job, runId, status }: RunEvidence, say: Say): number {
  if (status === "completed") return 0;
  say(`lost: job ${job.number} (${runId}) is ${status}`);
  return 1;
}

const FINAL_STEPS = ["run.completed", "run.failed", "run.blocked", "run.refused", "run.cancelled", "run.expired"];

function doubled({ job, runId, foundByKey, steps }: RunEvidence, say: Say): number {
  const ends = steps.filter(({ type }) => FINAL_STEPS.includes(type)).length;
  const count = Math.max(0, ends - 1) + (foundByKey === runId ? 0 : 1);
  if (count > 0) say(`doubled: job ${job.number} (${runId}) has ${ends} ends; its key finds ${foundByKey}`);
  return count;
}

function divergent({ job, runId, status, output }: RunEvidence, { effects }: Evidence, say: Say): number {
  if (status !== "completed") return 0;
  const missing = TOOLS.filter((tool) => !effects.some((line) => line.phase === "effect" && line.job === job.number && line.tool === tool));
  if (output === expectedOutput(job) && missing.length === 0) return 0;
  say(`divergent: job ${job.number} (${runId}): ${JSON.stringify(output)}${missing.map((tool) => `; ${tool} never took effect`).join("")}`);
  return 1;
}

/** The idempotent tool may leave a key several times, but never two keys; the other one may leave one line. */
function effectsRepeated({ runs, effects }: Evidence, say: Say): number {
  const happened = effects.filter(({ phase }) => phase === "effect");
  let count = 0;
  for (const { job, runId } of runs) {
    const mine = happened.filter((line) => line.job === job.number);
    const noteKeys = new Set(mine.filter(({ tool }) => tool === "note").map(({ key }) => key)).size;
    const charges = mine.filter(({ tool }) => tool === "charge").length;
    const repeated = Math.max(0, noteKeys - 1) + Math.max(0, charges - 1);
    if (repeated > 0) say(`effects repeated: job ${job.number} (${runId}): ${noteKeys} keys of note, ${charges} charges`);
    count += repeated;
  }
  return count;
}
