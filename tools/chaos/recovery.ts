/** How long the fleet needed after each fault until the runs that it hit went on. */
import type { Evidence, Fault, RunEvidence, RunStep } from "./evidence.ts";
import type { Percentiles } from "./count.ts";

/** What ends an attempt, besides the next one. */
const ENDS = ["run.handed-off", "run.suspended", "run.retrying", "attempt.released", "run.completed", "run.failed", "run.cancelled"];

/**
 * One time for each run that the fault's worker held: from the fault to the run's next attempt, or to its end where the attempt lived on.
 * A fault that hits everybody has one time: from its end to the first event of any run.
 */
export function recoveryTimes({ runs, faults }: Evidence): number[] {
  return faults.flatMap((fault) => (fault.worker === undefined ? afterAll(runs, fault) : runs.flatMap((run) => afterOne(run, fault))));
}

function afterAll(runs: readonly RunEvidence[], { endMs }: Fault): number[] {
  const next = Math.min(...runs.flatMap(({ steps }) => steps.filter(({ atMs }) => atMs >= endMs).map(({ atMs }) => atMs)));
  return Number.isFinite(next) ? [next - endMs] : [];
}

function afterOne({ steps }: RunEvidence, fault: Fault): number[] {
  const started = steps.findLastIndex((step) => step.type === "attempt.started" && step.atMs <= fault.atMs);
  if (started === -1 || steps[started]?.pid !== fault.pid) return [];
  const isOver = (step: RunStep): boolean => step.type === "attempt.started" || ENDS.includes(step.type);
  const next = steps.slice(started + 1).find(isOver);
  if (next === undefined || next.atMs < fault.atMs) return [];
  // Released or taken back is not yet going on: the next attempt is.
  const goesOn = steps
    .slice(started + 1)
    .find((step) => step.type === "attempt.started" || (isOver(step) && step.type !== "attempt.released"));
  return goesOn === undefined ? [] : [goesOn.atMs - fault.atMs];
}

/** Nearest rank. Zeros when there is nothing. */
export function percentiles(times: readonly number[]): Percentiles {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
