/**
 * The run store in memory, for tests: the same rules as on Redis, on a clock that the test holds.
 * `tests/support/run-store-suite.ts` runs against both.
 */
import type { Clock } from "../clock.ts";
import type { HeldRun } from "../protocol/attempt.ts";
import type { RemoveReply, RunStore } from "../protocol/run-store.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import { NO_USAGE } from "../protocol/run.ts";
import type { Retention } from "../protocol/retention.ts";
import { parseScopeId } from "../protocol/pause.ts";
import type { WakeJob } from "../protocol/job.ts";
import { settleApprovals } from "./memory-run-approvals.ts";
import { createMemoryAttempts } from "./memory-run-attempts.ts";
import { conversationOf, createMemoryConversations, useConversation } from "./memory-conversations.ts";
import { createMemoryPauses } from "./memory-run-pauses.ts";
import { createMemoryPeople } from "./memory-run-people.ts";
import { createMemoryReads } from "./memory-run-reads.ts";
import { createMemorySources, mannerFields, noteChild, originFields, refusedSource } from "./memory-run-sources.ts";
import { createMemoryTotals } from "./memory-run-totals.ts";
import { createMemoryWatches } from "./memory-run-watches.ts";
import {
  appendEvent,
  copy,
  createWorld,
  isCurrent,
  isFinalRun,
  LOOK_MS,
  loseAttempt,
  isCurrentTurn,
  MAX_LOOK_MS,
  type MemoryRun,
  type MemoryWorld,
  move,
  notify,
  queueAgain,
  stamp,
  stopReason,
  stopRun,
  tellStop,
  wakeJob,
} from "./memory-run-state.ts";

export interface MemoryRunStoreOptions {
  readonly clock: Clock;
  /** As of the store on Redis. */
  readonly conversationKeepMs?: number | undefined;
  /** Given by whoever looks at the state itself, as the simulation does. */
  readonly world?: MemoryWorld;
}

export interface MemoryRunStore extends RunStore {
  /** Wakes the run's followers; what live text beside the store calls. */
  notify(runId: string): void;
}

export function createMemoryRunStore({
  clock,
  conversationKeepMs,
  world = createWorld(clock, conversationKeepMs),
}: MemoryRunStoreOptions): MemoryRunStore {
  return {
    submit: async (submission) => submit(world, submission),
    submitMany: async (submissions) => submissions.map((submission) => submit(world, submission)),
    ...createMemoryAttempts(world),
    ...createMemoryPeople(world),
    ...createMemoryPauses(world),
    ...createMemoryReads(world),
    ...createMemorySources(world),
    ...createMemoryTotals(world),
    ...createMemoryWatches(world),
    ...createUpkeep(world),
    conversations: createMemoryConversations(world),
    notify: (runId) => notify(world, runId),
    close: async () => {},
  };
}

function submit(world: MemoryWorld, submission: Submission): SubmitReply {
  const { runId, tenant, idempotencyKey, inputHash } = submission;
  if (world.runs.has(runId)) return { status: "duplicate", runId };
  const idemKey = `${tenant} ${idempotencyKey}`;
  const earlier = idempotencyKey === undefined ? undefined : world.idem.get(idemKey);
  if (earlier !== undefined) return { status: earlier.inputHash === inputHash ? "duplicate" : "conflict", runId: earlier.runId };
  const refused = submission.seed === undefined ? undefined : refusedSource(world, submission.seed, tenant);
  if (refused !== undefined) return refused;
  const entry = world.agents.get(submission.agent);
  const queue = submission.queue ?? entry?.queue;
  if (queue === undefined) return { status: "unknown-agent", known: [...world.agents.keys()] };
  const { conversation: id } = submission;
  const ahead = id === undefined ? 0 : (conversationOf(world, tenant, id)?.queue.length ?? 0);
  if (ahead >= LIMITS.runsPerConversation) return { status: "conversation-full" };
  const run = newRun(world, submission, queue);
  world.runs.set(runId, run);
  if (submission.seed !== undefined) noteChild(world, submission.seed, runId);
  if (idempotencyKey !== undefined) world.idem.set(idemKey, { runId, inputHash });
  const origin = submission.seed === undefined ? {} : { origin: submission.seed.origin };
  appendEvent(world, run, { type: "run.queued", ...stamp(world, run), queue, ...origin });
  if (id !== undefined) useConversation(world, tenant, id).queue.push(runId);
  if (ahead > 0) waitForTurn(world, run);
  return { status: "created", runId, wake: ahead > 0 ? undefined : wakeJob(run), agentSeenAtMs: entry?.seenAtMs };
}

function waitForTurn(world: MemoryWorld, run: MemoryRun): void {
  run.lookAtMs = undefined;
  move(world, run, "suspended");
  run.info.suspension = "conversation";
  appendEvent(world, run, { type: "run.suspended", ...stamp(world, run), suspension: "conversation" });
}

function newRun(world: MemoryWorld, submission: Submission, queue: string): MemoryRun {
  const { runId, agent, tenant, priority, idempotencyKey, delayMs, deadlineMs, maxHops, contextJson, settingsJson, metadataJson, seed } =
    submission;
  const { conversation } = submission;
  const nowMs = world.clock.nowMs();
  const deadlineAtMs = nowMs + deadlineMs;
  return {
    info: {
      v: 1,
      runId,
      status: "queued",
      tenant,
      agent,
      entryAgent: seed?.entryAgent ?? agent,
      queue,
      priority,
      metadata: JSON.parse(metadataJson),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(conversation === undefined ? {} : { conversation }),
      hop: seed?.origin.hop ?? 0,
      wake: 0,
      attempts: 0,
      retries: 0,
      deaths: 0,
      turns: (seed?.origin.turn ?? 1) - 1,
      usage: NO_USAGE,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      deadlineAtMs,
      ...(delayMs > 0 ? { notBeforeMs: nowMs + delayMs } : {}),
      ...(seed === undefined ? mannerFields(submission) : originFields(seed)),
    },
    maxHops,
    contextJson,
    conversationJson: seed?.conversationJson,
    follower: undefined,
    settingsJson,
    metadataJson,
    items: [submission.itemsJson],
    journals: new Map(seed === undefined || seed.journal.size === 0 ? [] : [[seed.origin.hop, new Map(seed.journal)]]),
    intents: new Map(seed?.intents.map((intent) => [intent.callId, { token: "seed", intent: copy(intent) }])),
    approvals: new Map(),
    decisions: new Map([...(seed?.decisions ?? [])].map(([callId, decided]) => [callId, { id: undefined, decided }])),
    refused: [],
    events: [],
    outputJson: undefined,
    resamples: 0,
    misplaced: 0,
    turnsBefore: seed?.turnsBefore ?? 0,
    starts: new Map(),
    isFiltered: false,
    root: seed?.root ?? runId,
    recordings: copy(seed?.recordings ?? []),
    rejectedKey: undefined,
    hopBuild: seed?.hopBuild,
    token: undefined,
    loopId: undefined,
    pause: undefined,
    parked: undefined,
    stop: undefined,
    ended: undefined,
    begunEnded: undefined,
    takenBack: undefined,
    lookDelayMs: LOOK_MS,
    lookAtMs: nowMs + (delayMs > 0 ? delayMs : LOOK_MS),
    timerAtMs: deadlineAtMs,
    deleteAtMs: undefined,
  };
}

type Upkeep = Pick<
  RunStore,
  "due" | "look" | "takeBack" | "remove" | "forgetIdempotencyKeys" | "sweep" | "announce" | "withdraw" | "workers" | "agents"
>;

function createUpkeep(world: MemoryWorld): Upkeep {
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
