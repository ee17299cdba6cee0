/** Pauses of runs, agents and tenants, in memory. */
import type { WakeJob } from "../protocol/job.ts";
import { LIMITS } from "../protocol/limits.ts";
import { parseScopeId, type PauseStore, scopeId } from "../protocol/pause.ts";
import { isFinal } from "../protocol/run.ts";
import { appendEvent, copy, leaveParking, type MemoryRun, type MemoryWorld, park, pauseOf, queueAgain, stamp } from "./memory-run-state.ts";

export function createMemoryPauses(world: MemoryWorld): PauseStore {
  const nowMs = (): number => world.clock.nowMs();
  return {
    async pause(runId, note) {
      const run = world.runs.get(runId);
      if (run === undefined) return { status: "unknown" };
      const { status, suspension } = run.info;
      if (isFinal(status)) return { status: "already-final", as: status };
      if (run.pause !== undefined) return { status: "already-paused", pause: copy(run.pause) };
      run.pause = { scope: "run", ...note, atMs: nowMs() };
      run.info.pause = copy(run.pause);
      if (status === "running" || (status === "suspended" && suspension !== "lane")) {
        appendEvent(world, run, { type: "pause.requested", ...stamp(world, run), pause: run.pause });
        return { status: status === "running" ? "requested" : "paused" };
      }
      park(world, run, { parked: "run", pause: run.pause });
      return { status: "paused" };
    },
    resume: async (runId) => resume(world, runId),
    async pauseScope(scope, note) {
      const id = scopeId(scope);
      const earlier = world.pauses.get(id);
      if (earlier !== undefined) return { status: "already-paused", pause: copy(earlier) };
      if (world.pauses.size >= LIMITS.pausesAtOnce) return { status: "too-many", limit: LIMITS.pausesAtOnce };
      world.pauses.set(id, { scope: "agent" in scope ? "agent" : "tenant", ...note, atMs: nowMs() });
      world.resuming.delete(id);
      return { status: "paused" };
    },
    async resumeScope(scope) {
      const id = scopeId(scope);
      if (world.pauses.delete(id)) world.resuming.add(id);
      return { status: world.resuming.has(id) ? "resumed" : "not-paused" };
    },
    async unpark(scope, limit) {
      const id = scopeId(scope);
      if (!world.resuming.has(id)) return { wakes: [], more: false };
      const parked = [...world.runs.values()].filter((run) => run.parked === id).sort((a, b) => (a.info.runId < b.info.runId ? -1 : 1));
      if (parked.length === 0) world.resuming.delete(id);
      return { wakes: parked.slice(0, limit).flatMap((run) => goOn(world, run) ?? []), more: parked.length > 0 };
    },
    pauses: async () => [...world.pauses].map(([id, pause]) => ({ scope: parseScopeId(id), pause: copy(pause) })),
  };
}

async function resume(world: MemoryWorld, runId: string): ReturnType<PauseStore["resume"]> {
  const run = world.runs.get(runId);
  if (run === undefined) return { status: "unknown" };
  const { status } = run.info;
  if (run.pause === undefined && status !== "paused") return { status: "not-paused", as: status };
  run.pause = undefined;
  const held = pauseOf(world, run);
  if (status !== "paused") {
    leaveParking(run);
    appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: "unpaused" });
    return { status: "resumed", next: undefined };
  }
  if (held === undefined) return { status: "resumed", next: goOn(world, run) };
  if (run.parked !== held.parked) park(world, run, held);
  return { status: "held", pause: copy(held.pause) };
}

/** Back from `paused`, unless something else holds it; at the time it had to wait for if that is still to come. */
function goOn(world: MemoryWorld, run: MemoryRun): WakeJob | undefined {
  const held = pauseOf(world, run);
  if (held !== undefined) {
    park(world, run, held);
    return undefined;
  }
  const { notBeforeMs = 0 } = run.info;
  const isLater = notBeforeMs > world.clock.nowMs();
  appendEvent(world, run, { type: "run.resumed", ...stamp(world, run), because: "unpaused" });
  const wake = queueAgain(world, run, isLater ? notBeforeMs : undefined);
  if (isLater) run.info.notBeforeMs = notBeforeMs;
  return isLater || wake === undefined ? undefined : { ...wake, continuation: false };
}
