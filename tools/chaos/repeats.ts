/**
 * Model calls that were made more than once, told apart by what was known when they were made again (I4).
 *
 * An answer counts as journaled from its `turn.completed`, or from the first sign outside of the fleet that it must be: a later turn of the
 * run reached the provider, or the tool that it asked for was entered.
 */
import type { CallEntry, Evidence, Fault, RunEvidence } from "./evidence.ts";
import { HOP_OF_TURN, TOOLS, TURN_OF_TOOL } from "./jobs.ts";

export interface Repeats {
  readonly paidTwice: number;
  readonly repeatedInFlight: number;
  readonly repeatedBySuperseded: number;
}

type Kind = "paid-twice" | "in-flight" | "superseded";

/** A call may arrive a little after the fault that cut it off: this process was busy. */
const SLACK_MS = 1_000;

export function countRepeats(evidence: Evidence, say: (line: string) => void): Repeats {
  const counts: Record<Kind, number> = { "paid-twice": 0, "in-flight": 0, superseded: 0 };
  for (const run of evidence.runs) {
    const mine = evidence.calls.filter(({ job }) => job === run.job.number);
    /** Attempts that made a call although they were superseded: each may do so once. */
    const blind = new Set<string>();
    for (const call of mine) {
      const earlier = mine.slice(0, mine.indexOf(call)).filter(({ turn }) => turn === call.turn);
      if (earlier.length === 0) continue;
      const found = classify({ evidence, run, mine, call, earlier, blind });
      counts[found.kind] += 1;
      if (found.kind === "paid-twice")
        say(`paid twice: job ${run.job.number} (${run.runId}) turn ${call.turn} by ${call.worker}: ${found.why}`);
    }
  }
  return {
    paidTwice: counts["paid-twice"],
    repeatedInFlight: counts["in-flight"],
    repeatedBySuperseded: counts.superseded,
  };
}

interface Case {
  readonly evidence: Evidence;
  readonly run: RunEvidence;
  readonly mine: readonly CallEntry[];
  readonly call: CallEntry;
  readonly earlier: readonly CallEntry[];
  readonly blind: Set<string>;
}

function classify(given: Case): { readonly kind: Kind; readonly why: string } {
  const { evidence, run, call, earlier, blind } = given;
  const attempts = attemptsOf(given);
  const attempt = attempts.at(-1);
  if (attempt === undefined) return { kind: "paid-twice", why: "no attempt of this worker had begun" };
  const journaled = run.steps.findIndex(({ type, turn }) => type === "turn.completed" && turn === call.turn);
  const signMs = firstSignMs(given);
  const attemptMs = run.steps[attempt]?.atMs ?? 0;
  const knewIt = (journaled !== -1 && attempt > journaled) || attemptMs > signMs;
  // One process may hold a run twice: an attempt that it lost while it stood still, and a newer one.
  const olderMayHaveAsked = attempts.length > 1;
  if (knewIt && !olderMayHaveAsked) return { kind: "paid-twice", why: "its attempt began after the answer was journaled" };
  const journaledMs = Math.min(run.steps[journaled]?.atMs ?? Number.POSITIVE_INFINITY, signMs);
  if (knewIt || call.atMs > journaledMs) {
    const who = `${call.worker}/${attempts[0]}`;
    if (blind.has(who)) return { kind: "paid-twice", why: "its attempt went on after it was superseded" };
    blind.add(who);
    return { kind: "superseded", why: "" };
  }
  if (evidence.faults.some((fault) => explains(fault, call, earlier))) return { kind: "in-flight", why: "" };
  return { kind: "paid-twice", why: "no fault explains it" };
}

/** Places in the run's steps where this worker had taken the call's hop before the call was made. */
function attemptsOf({ evidence, run, call }: Case): number[] {
  const pid = evidence.pids.get(call.worker);
  return run.steps.flatMap((step, index) =>
    step.type === "attempt.started" && step.pid === pid && step.hop === HOP_OF_TURN[call.turn] && step.atMs <= call.atMs + 1 ? [index] : [],
  );
}

function firstSignMs({ evidence, run, mine, call }: Case): number {
  const later = mine.filter(({ turn }) => turn > call.turn).map(({ atMs }) => atMs);
  const tools = TOOLS.filter((known) => TURN_OF_TOOL[known] === call.turn);
  const entered = evidence.effects.filter(({ job, tool, phase }) => job === run.job.number && tools.includes(tool) && phase === "enter");
  return Math.min(Number.POSITIVE_INFINITY, ...later, ...entered.map(({ atMs }) => atMs));
}

/** The fault hit the worker of the earlier or the repeated call, between the two. */
function explains(fault: Fault, call: CallEntry, earlier: readonly CallEntry[]): boolean {
  if (fault.atMs > call.atMs + SLACK_MS) return false;
  return earlier.some(
    (before) =>
      (fault.worker === undefined || fault.worker === before.worker || fault.worker === call.worker) &&
      before.atMs <= fault.endMs + SLACK_MS,
  );
}
