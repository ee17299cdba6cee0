/** Looks after runs that nobody works on, in memory, and knows the live workers. It mirrors `src/redis/run-store-upkeep.ts` and its scripts. */
import type { HeldRun } from "../protocol/attempt.ts";
import type { RemoveReply, RunStore } from "../protocol/run-store.ts";
import type { Retention } from "../protocol/retention.ts";
import { parseScopeId } from "../protocol/pause.ts";
import type { WakeJob } from "../protocol/job.ts";
import { settleApprovals } from "./memory-run-approvals.ts";
import {
  appendEvent,
  copy,
  isCurrent,
  isFinalRun,
  loseAttempt,
  isCurrentTurn,
  MAX_LOOK_MS,
  type MemoryRun,
  type MemoryWorld,
  queueAgain,
  stamp,
  stopReason,
  stopRun,
  tellStop,
  wakeJob,
} from "./memory-run-state.ts";

type Upkeep = Pick<
  RunStore,
  "due" | "look" | "takeBack" | "remove" | "forgetIdempotencyKeys" | "sweep" | "announce" | "withdraw" | "workers" | "agents"
>;

export function createMemoryUpkeep(world: MemoryWorld): Upkeep {
  return {
    async due(limit) {
      const nowMs = world.clock.nowMs();
      const times = [...world.runs].flatMap(([runId, run]) =>
        [run.lookAtMs, run.timerAtMs].flatMap((atMs) => (atMs === undefined ? [] : [{ runId, atMs }])),
      );
      times.sort((a, b) => a.atMs - b.atMs);
      const runIds = new Set(times.filter(({ atMs }) => atMs <= nowMs).map(({ runId }) => runId));
      return {
        runIds: [...runIds].slice(0, limit),
        nextAtMs: times.find(({ atMs }) => atMs > nowMs)?.atMs,
        resuming: [...world.resuming].map(parseScopeId),
      };
    },
    async look(runId, policy) {
      const run = world.runs.get(runId);
      return run === undefined || isFinalRun(run) ? undefined : look(world, run, policy);
    },
    takeBack: async (held, policy) => held.flatMap((entry) => takeBack(world, entry, policy) ?? []),
    remove: async (runId) => remove(world, runId),
    async forgetIdempotencyKeys(tenant) {
      const lost = [...world.idem].filter(([key, { runId }]) => key.startsWith(`${tenant} `) && !world.runs.has(runId));
      for (const [key] of lost) world.idem.delete(key);
      return lost.length;
    },
    async sweep(limit) {
      const nowMs = world.clock.nowMs();
      const over = [...world.runs].filter(([, { deleteAtMs }]) => deleteAtMs !== undefined && deleteAtMs <= nowMs).slice(0, limit);
      for (const [runId] of over) world.runs.delete(runId);
      return over.length;
    },
    async announce(worker, agents) {
      world.workers.set(worker.workerId, copy(worker));
      for (const agent of agents) world.agents.set(agent.name, copy(agent));
    },
    async withdraw(workerId) {
      world.workers.delete(workerId);
    },
    workers: async () => [...world.workers.values()].map(copy),
    agents: async () => [...world.agents.values()].map(copy),
  };
}

function remove(world: MemoryWorld, runId: string): RemoveReply {
  const run = world.runs.get(runId);
  if (run === undefined) return { status: "unknown" };
  const { status, tenant, idempotencyKey, wake: lastWake, attempts, turns, queue } = run.info;
  if (!isFinalRun(run)) return { status: "live", as: status };
  world.runs.delete(runId);
  const idemKey = `${tenant} ${idempotencyKey}`;
  if (idempotencyKey !== undefined && world.idem.get(idemKey)?.runId === runId) world.idem.delete(idemKey);
  return { status: "removed", lastWake, attempts, turns, queue };
}

function look(
  world: MemoryWorld,
  run: MemoryRun,
  policy: { readonly retentionMs: Retention; readonly maxDeaths: number },
): WakeJob | undefined {
  const nowMs = world.clock.nowMs();
  const { status, suspension } = run.info;
  const due = run.lookAtMs === undefined ? status !== "suspended" && status !== "paused" : run.lookAtMs <= nowMs;
  const stop = stopReason(world, run);
  if (!due && stop === undefined) return undefined;
  if (status === "running" && !due) {
    run.timerAtMs = undefined;
    run.stop ??= stop;
    tellStop(world, run.info.runId, run.stop ?? "expired");
    return undefined;
  }
  if (status === "running" && loseAttempt(world, run, policy.maxDeaths, policy.retentionMs)) return undefined;
  if (stop !== undefined) {
    stopRun(world, run, stop, policy.retentionMs);
    return undefined;
  }
  if (status === "running") return queueAgain(world, run);
  if (status === "suspended" || status === "paused") {
    if (suspension === "approval") return settleApprovals(world, run, policy.retentionMs);
    const hasTurn = suspension === "conversation" && isCurrentTurn(world, run);
    if (suspension !== "lane" && !hasTurn) {
      run.lookAtMs = undefined;
      return undefined;
    }
    appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: suspension });
    return queueAgain(world, run);
  }
  run.lookAtMs = nowMs + run.lookDelayMs;
  run.lookDelayMs = Math.min(run.lookDelayMs * 3, MAX_LOOK_MS);
  return wakeJob(run);
}

function takeBack(world: MemoryWorld, { runId, token }: HeldRun, policy: Parameters<RunStore["takeBack"]>[1]): WakeJob | undefined {
  const run = world.runs.get(runId);
  if (run === undefined) return undefined;
  const { status, wake } = run.info;
  if (status === "queued" && run.takenBack?.token === token && run.takenBack.wake === wake) return wakeJob(run);
  if (!isCurrent(run, token)) return undefined;
  const stop = stopReason(world, run);
  if (loseAttempt(world, run, policy.maxDeaths, policy.retentionMs)) return undefined;
  if (stop !== undefined) {
    stopRun(world, run, stop, policy.retentionMs);
    return undefined;
  }
  const next = queueAgain(world, run);
  if (next !== undefined) run.takenBack = { token, wake: next.wake };
  return next;
}
