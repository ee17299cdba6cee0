/**
 * The verdict of a chaos run: pure, from the evidence. What a run's stream holds is only used to say when an answer was journaled; that a
 * call was made, that an effect happened and what came out is taken from the provider's book, the effects file and the producer.
 */
import type { Evidence, RunEvidence, Say } from "./evidence.ts";
import { approvalsLost, cancelledCompleted, decisionsTwice, isCancelled, isRefunded } from "./count-people.ts";
import { turnsOutOfOrder } from "./count-talks.ts";
import { expectedOutput, HOP_OF_TURN, type ToolName, USUAL_TOOLS } from "./jobs.ts";
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
  /** Runs that did not complete, other than by a cancel that was asked for. */
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
  /** Decisions that were acknowledged and not followed, and refunds without one. */
  readonly approvalsLost: number;
  /** Refunds made twice under different keys, and two opposite decisions that were both acknowledged. */
  readonly decisionsTwice: number;
  /** Runs that were shown another past than their conversation's, or beside an earlier run of it; conversations that hold another one. */
  readonly turnsOutOfOrder: number;
  /** Runs that completed after their cancel was acknowledged. */
  readonly cancelledCompleted: number;
  /** Runs with an acknowledged decision. */
  readonly decided: number;
  /** Runs that ended as cancelled, as they were asked to. */
  readonly cancelled: number;
  /** Runs of conversations that completed. */
  readonly talked: number;
  /** Suspensions as `effect-unknown` that the harness resolved from the effects file. */
  readonly suspendedUnknown: number;
  readonly callsServed: number;
  /** Of the completed runs. */
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
  const completed = runs.filter(({ status }) => status === "completed");
  const sum = (of: (run: RunEvidence) => number): number => runs.reduce((total, run) => total + of(run), 0);
  for (const run of completed) sayMissingTurns(run, say);
  return {
    runs: runs.length,
    kills: faults.filter(({ kind }) => kind === "kill" || kind === "redis").length,
    faults: faults.length,
    lost: sum((run) => lost(run, say)),
    doubled: sum((run) => doubled(run, say)),
    ...repeats,
    effectsRepeated: effectsRepeated(evidence, say),
    divergent: sum((run) => divergent(run, evidence, say)),
    approvalsLost: sum((run) => approvalsLost(run, evidence, say)),
    decisionsTwice: sum((run) => decisionsTwice(run, evidence, say)),
    turnsOutOfOrder: turnsOutOfOrder(evidence, say),
    cancelledCompleted: sum((run) => cancelledCompleted(run, say)),
    decided: runs.filter(({ decisions }) => decisions.some(({ answer }) => answer === "acknowledged")).length,
    cancelled: runs.filter(isCancelled).length,
    talked: completed.filter(({ job }) => job.talk !== undefined).length,
    suspendedUnknown: sum(({ resolved }) => resolved.ran + resolved.notRun),
    callsServed: calls.filter(({ served }) => served).length,
    turnsHeld: completed.flatMap(({ steps }) => steps).filter(({ type }) => type === "turn.completed").length,
    recoveryMs: percentiles(times),
    recoveries: times.length,
    problems,
  };
}

/** What a fleet must never do. */
export const VIOLATIONS = [
  "lost",
  "doubled",
  "paidTwice",
  "effectsRepeated",
  "divergent",
  "approvalsLost",
  "decisionsTwice",
  "turnsOutOfOrder",
  "cancelledCompleted",
] as const satisfies readonly (keyof Verdict)[];

/** Deaths at single points count only some of them. */
export const isGood = (found: Partial<Pick<Verdict, (typeof VIOLATIONS)[number]>>): boolean =>
  VIOLATIONS.every((name) => (found[name] ?? 0) === 0);

function lost(run: RunEvidence, say: Say): number {
  const { job, runId, status } = run;
  if (status === "completed" || isCancelled(run)) return 0;
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

/** No count of its own: an answer whose journal entry is missing too was asked for again, and is counted there. */
function sayMissingTurns({ job, runId, steps }: RunEvidence, say: Say): void {
  const turns = steps.flatMap(({ type, turn }) => (type === "turn.completed" && turn !== undefined ? [turn] : []));
  if (turns.length !== HOP_OF_TURN.length)
    say(`turns held: job ${job.number} (${runId}) completed with events of turns ${turns.join(", ")}`);
}

/** The answer must be that of the job and of what became of its refund; whether that was what people said is counted apart. */
function divergent(run: RunEvidence, evidence: Evidence, say: Say): number {
  const { job, runId, status, output } = run;
  if (status !== "completed") return 0;
  const missing = USUAL_TOOLS.filter((tool) => !happened(evidence, run, tool));
  if (output === expectedOutput(job, isRefunded(run, evidence)) && missing.length === 0) return 0;
  say(`divergent: job ${job.number} (${runId}): ${JSON.stringify(output)}${missing.map((tool) => `; ${tool} never took effect`).join("")}`);
  return 1;
}

const happened = ({ effects }: Evidence, { job }: RunEvidence, tool: ToolName): boolean =>
  effects.some((line) => line.phase === "effect" && line.job === job.number && line.tool === tool);

/** The idempotent tool may leave a key several times, but never two keys; the others may leave one line for a key, the charge only one. */
function effectsRepeated({ runs, effects }: Evidence, say: Say): number {
  let count = 0;
  for (const { job, runId } of runs) {
    const keysOf = (tool: ToolName): string[] =>
      effects.filter((line) => line.phase === "effect" && line.job === job.number && line.tool === tool).map(({ key }) => key);
    const [notes, charges, refunds] = [new Set(keysOf("note")).size, keysOf("charge").length, keysOf("refund")];
    const repeated = Math.max(0, notes - 1) + Math.max(0, charges - 1) + refunds.length - new Set(refunds).size;
    if (repeated > 0)
      say(`effects repeated: job ${job.number} (${runId}): ${notes} keys of note, ${charges} charges, ${refunds.length} refunds`);
    count += repeated;
  }
  return count;
}
