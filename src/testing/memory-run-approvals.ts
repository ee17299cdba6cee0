/** Questions about tool calls, in memory: asked, decided, refused, announced, timed out. It mirrors the functions of the Lua scripts. */
import type { Refusal } from "../protocol/attempt.ts";
import type { WakeJob } from "../protocol/job.ts";
import type { DecideCommand, ResolveReply } from "../protocol/people.ts";
import type { Retention } from "../protocol/retention.ts";
import type { Approval, Decision } from "../protocol/run.ts";
import { infoOf } from "./memory-run-reads.ts";
import {
  appendEvent,
  copy,
  failRun,
  LOOK_MS,
  MAX_LOOK_MS,
  type MemoryRun,
  type MemoryWorld,
  queueAgain,
  stamp,
  wakeJob,
} from "./memory-run-state.ts";

/** True when one of the questions is still open. */
export function ask(world: MemoryWorld, run: MemoryRun, approvals: readonly Approval[], refusals: readonly Refusal[]): boolean {
  const nowMs = world.clock.nowMs();
  const open = approvals.filter(({ callId }) => !run.decisions.has(callId));
  for (const approval of open) {
    const again = refusals.some(({ callId }) => callId === approval.callId);
    const earlier = again ? run.refused.findLast(({ callId }) => callId === approval.callId)?.requestedAtMs : undefined;
    const requestedAtMs = earlier ?? nowMs;
    const deadline = approval.withinMs === undefined ? {} : { deadlineAtMs: requestedAtMs + approval.withinMs };
    run.approvals.set(approval.callId, { ...copy(approval), requestedAtMs, ...deadline });
  }
  return open.length > 0;
}

export function refuseDecisions(world: MemoryWorld, run: MemoryRun, refusals: readonly Refusal[]): void {
  for (const { callId, why } of refusals) {
    const stored = run.decisions.get(callId);
    if (stored === undefined) continue;
    run.decisions.delete(callId);
    run.refused.push({ ...stored.decided, refused: { atMs: world.clock.nowMs(), why } });
    const { tool, by } = stored.decided;
    appendEvent(world, run, { type: "approval.refused", ...stamp(world, run), callId, tool, ...(by === undefined ? {} : { by }), why });
  }
}

export function awaitPeople(world: MemoryWorld, run: MemoryRun, announce: boolean): void {
  if (announce) {
    run.info.announceAtMs = world.clock.nowMs() + LOOK_MS;
    run.lookDelayMs = LOOK_MS;
  }
  watchApprovals(run);
}

function watchApprovals(run: MemoryRun): void {
  const times = [run.info.announceAtMs, ...[...run.approvals.values()].map(({ deadlineAtMs }) => deadlineAtMs)];
  const known = times.filter((atMs) => atMs !== undefined);
  run.lookAtMs = known.length === 0 ? undefined : Math.min(...known);
}

function recordDecision(world: MemoryWorld, run: MemoryRun, call: Approval, decision: Decision & { timedOut?: true }, id?: string): void {
  const { callId, tool, agent, requestedAtMs } = call;
  const about = { callId, tool, agent, ...(requestedAtMs === undefined ? {} : { requestedAtMs }) };
  run.approvals.delete(callId);
  run.decisions.set(callId, { id, decided: { ...about, atMs: world.clock.nowMs(), ...copy(decision) } });
  appendEvent(world, run, { type: "approval.decided", ...stamp(world, run), callId, tool, ...decision });
}

export function decide(world: MemoryWorld, runId: string, callId: string, { id, decision, tenant }: DecideCommand): ResolveReply {
  const run = world.runs.get(runId);
  if (run === undefined || (tenant !== undefined && tenant !== run.info.tenant)) return { status: "unknown" };
  const earlier = run.decisions.get(callId);
  if (earlier?.id === id) return { status: "resolved", next: run.info.status === "queued" ? wakeJob(run) : undefined };
  const call = run.approvals.get(callId);
  const open = run.info.suspension === "approval" && (call?.deadlineAtMs ?? Number.POSITIVE_INFINITY) > world.clock.nowMs();
  if (earlier !== undefined || call === undefined || !open) return { status: "not-open", info: infoOf(run) };
  recordDecision(world, run, call, decision, id);
  if (run.approvals.size > 0) {
    watchApprovals(run);
    return { status: "resolved", next: undefined };
  }
  appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: "decided" });
  return { status: "resolved", next: queueAgain(world, run) };
}

export function announced({ runs }: MemoryWorld, runId: string, wake: number): void {
  const run = runs.get(runId);
  if (run?.info.suspension !== "approval" || run.info.wake !== wake || run.info.announceAtMs === undefined) return;
  delete run.info.announceAtMs;
  watchApprovals(run);
}

/** What nobody decided in time is decided by the tool's policy. */
export function settleApprovals(world: MemoryWorld, run: MemoryRun, retentionMs: Retention): WakeJob | undefined {
  const nowMs = world.clock.nowMs();
  const late = [...run.approvals.values()].filter(({ deadlineAtMs }) => deadlineAtMs !== undefined && deadlineAtMs <= nowMs);
  for (const call of late) recordDecision(world, run, call, { approve: false, timedOut: true });
  const failing = late.find(({ onTimeout }) => onTimeout === "fail");
  if (failing !== undefined) {
    const message = `Nobody decided on ${failing.tool} (${failing.callId}) within ${failing.withinMs} ms.`;
    failRun(world, run, { code: "APPROVAL_TIMED_OUT", message }, retentionMs);
    return undefined;
  }
  if (run.approvals.size === 0) {
    appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: "timed-out" });
    return queueAgain(world, run);
  }
  if ((run.info.announceAtMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
    run.info.announceAtMs = nowMs + run.lookDelayMs;
    run.lookDelayMs = Math.min(run.lookDelayMs * 3, MAX_LOOK_MS);
  }
  watchApprovals(run);
  return undefined;
}
