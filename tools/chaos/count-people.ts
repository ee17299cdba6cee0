/** What became of the words of people: decisions on refunds, and cancels. Pure, like the rest of the verdict. */
import type { EffectLine } from "./effects.ts";
import type { Evidence, RunEvidence, Say } from "./evidence.ts";

/** Ended as somebody asked. A cancel without an answer may have been taken. */
export const isCancelled = ({ status, cancel }: RunEvidence): boolean =>
  status === "cancelled" && cancel !== undefined && cancel !== "already-final";

export const isRefunded = (run: RunEvidence, evidence: Evidence): boolean =>
  refundsOf(run, evidence).some(({ phase }) => phase === "effect");

const refundsOf = ({ job }: RunEvidence, { effects }: Evidence): EffectLine[] =>
  effects.filter((line) => line.job === job.number && line.tool === "refund");

export function approvalsLost(run: RunEvidence, evidence: Evidence, say: Say): number {
  const why = run.job.refund === true ? whatWentWrong(run, evidence) : undefined;
  if (why === undefined) return 0;
  const words = run.decisions.map(({ word, answer }) => `${word} ${answer}`).join(", ");
  say(`approval lost: job ${run.job.number} (${run.runId}) ${why}; the words were: ${words}`);
  return 1;
}

function whatWentWrong(run: RunEvidence, evidence: Evidence): string | undefined {
  const acknowledged = run.decisions.filter(({ answer }) => answer === "acknowledged");
  // Without an acknowledged one, any of them may have been taken: its reply was lost.
  const standing = acknowledged.length > 0 ? acknowledged : run.decisions;
  const sentAtMs = standing.filter(({ word }) => word === "approve").map(({ sentAtMs: atMs }) => atMs);
  const approvedAtMs = Math.min(Number.POSITIVE_INFINITY, ...sentAtMs);
  if (refundsOf(run, evidence).some(({ atMs }) => atMs < approvedAtMs)) return "ran its tool without an approval";
  if (run.status !== "completed") return acknowledged.length > 0 && !isCancelled(run) ? `was decided and is ${run.status}` : undefined;
  if (isRefunded(run, evidence) || standing.some(({ word }) => word === "reject")) return undefined;
  return standing.length === 0 ? "went on without a decision" : "was approved, and its tool never took effect";
}

export function decisionsTwice(run: RunEvidence, evidence: Evidence, say: Say): number {
  const effects = refundsOf(run, evidence).filter(({ phase }) => phase === "effect");
  const keys = new Set(effects.map(({ key }) => key)).size;
  const words = new Set(run.decisions.filter(({ answer }) => answer === "acknowledged").map(({ word }) => word)).size;
  const count = Math.max(0, keys - 1) + Math.max(0, words - 1);
  if (count > 0) say(`decided twice: job ${run.job.number} (${run.runId}): ${keys} keys of refund, ${words} different words acknowledged`);
  return count;
}

export function cancelledCompleted({ job, runId, status, cancel }: RunEvidence, say: Say): number {
  if (status !== "completed" || (cancel !== "cancelled" && cancel !== "requested")) return 0;
  say(`cancelled and completed: job ${job.number} (${runId}): its cancel was answered with ${cancel}`);
  return 1;
}
