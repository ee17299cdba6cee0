/** What people say about a run, in memory: cancel it, resolve an unknown effect, decide on a tool call. */
import type { Resolution, ResolveReply } from "../protocol/people.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { Retention } from "../protocol/retention.ts";
import { announced, decide } from "./memory-run-approvals.ts";
import { infoOf } from "./memory-run-reads.ts";
import {
  appendEvent,
  failRun,
  isFinalRun,
  journalOf,
  type MemoryRun,
  type MemoryWorld,
  notify,
  queueAgain,
  stamp,
  stopRun,
  tellStop,
} from "./memory-run-state.ts";

export function createMemoryPeople(world: MemoryWorld): Pick<RunStore, "cancel" | "resolve" | "decide" | "announced"> {
  return {
    async cancel(runId, retentionMs) {
      const run = world.runs.get(runId);
      if (run === undefined) return { status: "unknown" };
      const { status } = run.info;
      if (status === "queued" || status === "suspended" || status === "paused") {
        stopRun(world, run, "cancelled", retentionMs);
        return { status: "cancelled", ...(run.follower === undefined ? {} : { follower: run.follower }) };
      }
      if (status !== "running") return { status: "already-final", as: status };
      if (run.stop !== undefined) return { status: "requested" };
      run.stop = "cancelled";
      appendEvent(world, run, { type: "cancel.requested", ...stamp(world, run) });
      tellStop(world, runId, "cancelled");
      return { status: "requested" };
    },
    resolve: async (runId, callId, resolution, retentionMs) => resolve(world, runId, callId, resolution, retentionMs),
    decide: async (runId, callId, command) => decide(world, runId, callId, command),
    announced: async (runId, wake) => announced(world, runId, wake),
  };
}

function resolve(
  world: MemoryWorld,
  runId: string,
  callId: string | undefined,
  resolution: Resolution,
  retentionMs: Retention,
): ResolveReply {
  const run = world.runs.get(runId);
  if (run === undefined) return { status: "unknown" };
  if (!isOpen(run, callId, resolution)) return { status: "not-open", info: infoOf(run) };
  if (resolution.type === "fail") {
    const message = callId === undefined ? "A person ended the run." : `A person said that the call ${callId} failed.`;
    failRun(world, run, { code: codeOf(run, callId), message }, retentionMs);
    return { status: "resolved", next: undefined };
  }
  if (resolution.type === "continue") {
    if (run.loopId !== undefined) allowLoop(world, run, run.loopId);
    return resume(world, run, "continue");
  }
  if (resolution.type === "resample") {
    run.journals.delete(run.info.hop);
    return resume(world, run, "resample");
  }
  if (resolution.type === "ran") {
    const journal = journalOf(run, run.info.hop);
    const key = `t:${callId}`;
    if (!journal.has(key)) journal.set(key, `{"v":1,"output":${resolution.resultJson}}`);
  }
  run.intents.delete(callId ?? "");
  if (run.info.suspension === "replay-diverged" || run.intents.size > 0) {
    notify(world, runId);
    return { status: "resolved", next: undefined };
  }
  return resume(world, run, resolution.type);
}

/** What stopped the run, so that all that one deploy stopped can be found and retried by it. */
function codeOf({ info: { suspension } }: MemoryRun, callId: string | undefined): string {
  if (suspension === "loop") return "LOOP_DETECTED";
  return suspension === "replay-diverged" && callId === undefined ? "REPLAY_DIVERGED" : "TOOL_FAILED";
}

function isOpen(run: MemoryRun, callId: string | undefined, { type }: Resolution): boolean {
  const { suspension } = run.info;
  if (isFinalRun(run) || suspension === undefined || !["effect-unknown", "replay-diverged", "loop"].includes(suspension)) return false;
  if (type === "continue" || (suspension === "loop" && type !== "fail")) return type === "continue" && suspension === "loop";
  if (type === "resample") return suspension === "replay-diverged";
  if (type === "fail" && callId === undefined) return true;
  return run.intents.has(callId ?? "");
}

function resume(world: MemoryWorld, run: MemoryRun, because: string): ResolveReply {
  appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because });
  return { status: "resolved", next: queueAgain(world, run) };
}

/** Kept like a decision, so that later attempts that find the loop again find this beside it. */
function allowLoop(world: MemoryWorld, run: MemoryRun, callId: string): void {
  const decided = { callId, tool: "", agent: run.info.agent, atMs: world.clock.nowMs(), approve: true };
  run.decisions.set(callId, { id: undefined, decided });
}
