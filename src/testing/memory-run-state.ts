/** A run in memory and the moves that several commands share. It mirrors `prelude.lua`, `moves.lua` and `endings.lua` of `src/redis/scripts`, name by name. */
import { conversationOf, type MemoryConversation, useConversation } from "./memory-conversations.ts";
import type { Clock } from "../clock.ts";
import type { RunEvent } from "../protocol/events.ts";
import type { WakeJob } from "../protocol/job.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { AgentEntry, WorkerEntry } from "../protocol/registry.ts";
import { scopeId } from "../protocol/pause.ts";
import { CONVERSATION_KEEP_MS, type Retention, retentionOf } from "../protocol/retention.ts";
import {
  type Approval,
  type Decided,
  type FinalStatus,
  type Intent,
  isFinal,
  type Pause,
  type RunErrorInfo,
  type RunInfo,
  type RunStatus,
} from "../protocol/run.ts";
import type { AgentBuild, BeginReply, EndReply, StopReason } from "../protocol/attempt.ts";
import type { StoredEvent } from "../protocol/run-store.ts";
import type { Recording } from "../protocol/seed.ts";

export const LOOK_MS = 5_000;
export const MAX_LOOK_MS = 600_000;
export const GRACE_MS = 1_000;
/** Retention of runs that `begin` itself ends. */
export const BEGIN_RETENTION_MS = 7 * 24 * 60 * 60 * 1_000;

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

export interface HopStart {
  readonly agent: string;
  readonly items: readonly string[];
  readonly isFiltered: boolean;
  readonly contextJson: string;
  readonly turnsBefore: number;
}

export interface MemoryRun {
  readonly info: Mutable<Omit<RunInfo, "openIntents" | "approvals" | "decisions" | "cancelRequested">>;
  readonly maxHops: number;
  readonly settingsJson: string;
  readonly metadataJson: string;
  contextJson: string;
  conversationJson: string | undefined;
  /** The run whose turn in the conversation came when this one ended. */
  follower: string | undefined;
  items: string[];
  readonly journals: Map<number, Map<string, string>>;
  readonly intents: Map<string, { readonly token: string; readonly intent: Intent }>;
  readonly approvals: Map<string, Approval>;
  /** Those that stand, with the client's id of each; a deadline's has none. */
  readonly decisions: Map<string, { readonly id: string | undefined; readonly decided: Decided }>;
  readonly refused: Decided[];
  readonly events: StoredEvent[];
  outputJson: string | undefined;
  resamples: number;
  misplaced: number;
  turnsBefore: number;
  /** By hop, once it ended: with what it began. */
  readonly starts: Map<number, HopStart>;
  /** A handoff's filter replaced the transcript. */
  isFiltered: boolean;
  readonly root: string;
  readonly recordings: readonly Recording[];
  rejectedKey: string | undefined;
  hopBuild: AgentBuild | undefined;
  token: string | undefined;
  /** The loop that a person is asked about. */
  loopId: string | undefined;
  /** The run's own pause; `info.pause` is that, or the one under which it is parked. */
  pause: Pause | undefined;
  /** What a paused run is parked under: `run`, or the id of an agent's or tenant's scope. */
  parked: string | undefined;
  stop: StopReason | undefined;
  ended: { readonly token: string; readonly reply: EndReply } | undefined;
  begunEnded: { readonly token: string; readonly reply: BeginReply } | undefined;
  /** The dead attempt from which the run was taken back, and the wake that this made. */
  takenBack: { readonly token: string; readonly wake: number } | undefined;
  lookDelayMs: number;
  /** The dispatch entry: when to look again. */
  lookAtMs: number | undefined;
  /** The timers entry; gone once the deadline was acted on. */
  timerAtMs: number | undefined;
  deleteAtMs: number | undefined;
}

export interface MemoryWorld {
  readonly clock: Clock;
  readonly runs: Map<string, MemoryRun>;
  /** `<tenant> <key>` → the run and the hash of its input; outlives the run. */
  readonly idem: Map<string, { readonly runId: string; readonly inputHash: string }>;
  /** By `conversationKey`. */
  readonly conversations: Map<string, MemoryConversation>;
  /** From their last use on. */
  readonly conversationKeepMs: number;
  readonly workers: Map<string, WorkerEntry>;
  readonly agents: Map<string, AgentEntry>;
  /** By the id of the agent's or tenant's scope. */
  readonly pauses: Map<string, Pause>;
  /** Scopes that were resumed and may still have parked runs. */
  readonly resuming: Set<string>;
  /** By day, then by encoded name. */
  readonly totals: Map<string, Map<string, readonly number[]>>;
  readonly watchers: Map<string, Set<() => void>>;
  readonly stopWatchers: Set<(runId: string, reason: StopReason) => void>;
  eventCount: number;
}

export const createWorld = (clock: Clock, conversationKeepMs = CONVERSATION_KEEP_MS): MemoryWorld => ({
  clock,
  conversationKeepMs,
  runs: new Map(),
  idem: new Map(),
  conversations: new Map(),
  workers: new Map(),
  agents: new Map(),
  pauses: new Map(),
  resuming: new Set(),
  totals: new Map(),
  watchers: new Map(),
  stopWatchers: new Set(),
  eventCount: 0,
});

export const isCurrentTurn = (world: MemoryWorld, { info }: MemoryRun): boolean =>
  info.conversation !== undefined && conversationOf(world, info.tenant, info.conversation)?.queue[0] === info.runId;

/** Passes the turn on. */
function leaveConversation(world: MemoryWorld, run: MemoryRun): string | undefined {
  const { tenant, conversation: id, runId } = run.info;
  if (id === undefined) return undefined;
  const conversation = useConversation(world, tenant, id);
  const hadTurn = conversation.queue[0] === runId;
  conversation.queue = conversation.queue.filter((other) => other !== runId);
  const [next] = hadTurn ? conversation.queue : [];
  const follower = next === undefined ? undefined : world.runs.get(next);
  if (follower !== undefined) follower.lookAtMs = world.clock.nowMs();
  return next;
}

export function stopReason(world: MemoryWorld, run: MemoryRun): StopReason | undefined {
  return run.stop ?? (run.info.deadlineAtMs <= world.clock.nowMs() ? "expired" : undefined);
}

export const isCurrent = (run: MemoryRun, token: string): boolean => run.info.status === "running" && run.token === token;

export function notify(world: MemoryWorld, runId: string): void {
  for (const wake of world.watchers.get(runId) ?? []) wake();
}

export function tellStop(world: MemoryWorld, runId: string, reason: StopReason): void {
  for (const stop of world.stopWatchers) stop(runId, reason);
}

export function appendEvent(world: MemoryWorld, run: MemoryRun, event: RunEvent): void {
  world.eventCount += 1;
  run.events.push({ id: `${world.clock.nowMs()}-${world.eventCount}`, event: copy(event) });
  if (run.events.length > LIMITS.eventsPerRun) run.events.shift();
  notify(world, run.info.runId);
}

/** What every event that the store itself writes begins with. */
export const stamp = (world: MemoryWorld, run: MemoryRun): { atMs: number; hop: number; agent: string } => ({
  atMs: world.clock.nowMs(),
  hop: run.info.hop,
  agent: run.info.agent,
});

export function move(world: MemoryWorld, run: MemoryRun, status: RunStatus): void {
  run.info.status = status;
  run.info.updatedAtMs = world.clock.nowMs();
}

export const wakeJob = ({ info }: MemoryRun): WakeJob => ({
  runId: info.runId,
  wake: info.wake,
  agent: info.agent,
  queue: info.queue,
  priority: info.priority,
  continuation: info.attempts > 0,
});

/** What holds the run back: its own pause, its agent's or its tenant's. */
export function pauseOf(world: MemoryWorld, { pause, info }: MemoryRun): { readonly parked: string; readonly pause: Pause } | undefined {
  if (pause !== undefined) return { parked: "run", pause };
  for (const parked of [scopeId({ agent: info.agent }), scopeId({ tenant: info.tenant })]) {
    const found = world.pauses.get(parked);
    if (found !== undefined) return { parked, pause: found };
  }
  return undefined;
}

export function park(world: MemoryWorld, run: MemoryRun, { parked, pause }: { readonly parked: string; readonly pause: Pause }): void {
  const { notBeforeMs } = run.info;
  letGo(run);
  if (notBeforeMs !== undefined) run.info.notBeforeMs = notBeforeMs;
  run.lookAtMs = undefined;
  run.parked = parked;
  run.info.pause = copy(pause);
  move(world, run, "paused");
  appendEvent(world, run, { type: "run.paused", ...stamp(world, run), pause });
}

export function leaveParking(run: MemoryRun): void {
  run.parked = undefined;
  delete run.info.pause;
  if (run.pause !== undefined) run.info.pause = copy(run.pause);
}

/** Nothing where the run is paused: then it is parked. */
export function queueAgain(world: MemoryWorld, run: MemoryRun, atMs: number = world.clock.nowMs() + LOOK_MS): WakeJob | undefined {
  leaveParking(run);
  letGo(run);
  run.info.wake += 1;
  run.lookDelayMs = LOOK_MS;
  const held = pauseOf(world, run);
  if (held !== undefined) {
    park(world, run, held);
    return undefined;
  }
  run.lookAtMs = atMs;
  move(world, run, "queued");
  return wakeJob(run);
}

export interface Ending {
  readonly retentionMs: Retention;
  readonly event: RunEvent;
  readonly error?: RunErrorInfo;
}

export function finish(world: MemoryWorld, run: MemoryRun, status: FinalStatus, { retentionMs, event, error }: Ending): void {
  const nowMs = world.clock.nowMs();
  run.lookAtMs = undefined;
  run.timerAtMs = undefined;
  letGo(run);
  run.pause = undefined;
  leaveParking(run);
  run.approvals.clear();
  move(world, run, status);
  run.info.finishedAtMs = nowMs;
  delete run.info.error;
  if (error !== undefined) run.info.error = copy(error);
  run.deleteAtMs = nowMs + retentionOf(retentionMs, status);
  appendEvent(world, run, event);
  run.follower = leaveConversation(world, run);
}

export function stopRun(world: MemoryWorld, run: MemoryRun, reason: StopReason, retentionMs: Retention): void {
  finish(world, run, reason, { retentionMs, event: { type: `run.${reason}`, ...stamp(world, run) } });
}

export function failRun(world: MemoryWorld, run: MemoryRun, error: RunErrorInfo, retentionMs: Retention): void {
  finish(world, run, "failed", { retentionMs, event: { type: "run.failed", ...stamp(world, run), error }, error });
}

/** True when the run was given up. */
export function loseAttempt(world: MemoryWorld, run: MemoryRun, maxDeaths: number, retentionMs: Retention): boolean {
  run.info.deaths += 1;
  const { deaths } = run.info;
  appendEvent(world, run, { type: "attempt.lost", ...stamp(world, run), deaths });
  if (deaths <= maxDeaths) return false;
  const message = `The run's worker died ${deaths} times in a row while holding it.`;
  failRun(world, run, { code: "RUN_CRASHED", message }, retentionMs);
  return true;
}

export function letGo(run: MemoryRun): void {
  run.token = undefined;
  delete run.info.worker;
  delete run.info.suspension;
  delete run.info.notBeforeMs;
  delete run.info.announceAtMs;
}

export function journalOf(run: MemoryRun, hop: number): Map<string, string> {
  const journal = run.journals.get(hop) ?? new Map<string, string>();
  run.journals.set(hop, journal);
  return journal;
}

export const isFinalRun = (run: MemoryRun): boolean => isFinal(run.info.status);

/** Stored values are the store's own, as they are in Redis. */
export const copy = <T>(value: T): T => structuredClone(value);

/** The decisions that stand. */
export const decidedIn = ({ decisions }: MemoryRun): Map<string, Decided> =>
  new Map([...decisions].map(([callId, { decided }]) => [callId, copy(decided)]));
