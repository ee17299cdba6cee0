/**
 * The port every store of runs fills: Redis in production, memory in tests. One suite (`tests/support/run-store-suite.ts`) runs against both.
 *
 * The store decides nothing about agents. It keeps the invariants of state: I1 (the record is the truth), I2 (decisions are fenced by the
 * attempt's token, facts are not), I3 (one dispatch member per live run), I8 (first final state wins), I12 (a command may be sent twice:
 * the same token and operation get the first answer again).
 */
import type {
  BeginCommand,
  BeginReply,
  EndCommand,
  EndReply,
  Fact,
  HeldRun,
  IntentReply,
  RenewReply,
  StepReply,
  StopReason,
} from "./attempt.ts";
import type { ConversationStore } from "./conversation.ts";
import type { RunEvent } from "./events.ts";
import type { WakeJob } from "./job.ts";
import type { Json } from "./json.ts";
import type { CancelReply, DecideCommand, Resolution, ResolveReply } from "./people.ts";
import type { PauseScope, PauseStore } from "./pause.ts";
import type { AgentEntry, WorkerEntry } from "./registry.ts";
import type { Retention } from "./retention.ts";
import type { Intent, RunInfo, RunStatus } from "./run.ts";
import type { HopSnapshot, Recording } from "./seed.ts";
import type { Submission, SubmitReply } from "./submission.ts";
import type { TotalsQuery, TotalsRow } from "./totals.ts";

export type RemoveReply =
  /** What is needed to find what stands beside the store: jobs of its wakes, live text of its turns. */
  | { readonly status: "removed"; readonly lastWake: number; readonly attempts: number; readonly turns: number; readonly queue: string }
  /** Only runs that are over are deleted: cancel it first. */
  | { readonly status: "live"; readonly as: RunStatus }
  | { readonly status: "unknown" };

export interface DueReply {
  readonly runIds: readonly string[];
  /** When the next one is due, if any. */
  readonly nextAtMs: number | undefined;
  /** Agents and tenants that were resumed, and under which runs are still parked. */
  readonly resuming: readonly PauseScope[];
}

export interface StoredEvent {
  readonly id: string;
  readonly event: RunEvent;
}

export interface LiveChunk {
  /** Where in the turn's text this chunk starts, in characters. */
  readonly offset: number;
  readonly text: string;
}

export interface ListQuery {
  readonly status?: RunStatus | undefined;
  /** Instead of a status: only runs that wait for a person's decision on a tool call. */
  readonly suspension?: "approval" | undefined;
  readonly tenant?: string | undefined;
  /** Newest first; only runs created before this run id. */
  readonly before?: string | undefined;
  readonly limit: number;
  /** Only failed runs of one reason that were not retried. */
  readonly failure?: { readonly code: string; readonly agent: string } | undefined;
}

export interface FailureQuery {
  readonly tenant?: string | undefined;
  readonly agent?: string | undefined;
  readonly code?: string | undefined;
}

export interface FailureGroup {
  readonly code: string;
  readonly agent: string;
  readonly count: number;
  /** The one that was submitted last. */
  readonly newest: string;
  /** When the first and the last of them in order of submission failed. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export type SnapshotReply =
  | { readonly status: "found"; readonly snapshot: HopSnapshot }
  | { readonly status: "unrecorded" }
  | { readonly status: "unknown" };

export interface RunStore extends PauseStore {
  submit(submission: Submission): Promise<SubmitReply>;
  /** In order. Each submission stands for itself. */
  submitMany(submissions: readonly Submission[]): Promise<SubmitReply[]>;

  begin(command: BeginCommand): Promise<BeginReply>;
  /** All entries of a hop's journal. */
  journal(runId: string, hop: number): Promise<Map<string, string>>;
  /** Calls of the run's source that its tools are answered from, in their order. */
  recordings(runId: string): Promise<Recording[]>;
  record(fact: Fact): Promise<StepReply>;
  openIntent(runId: string, token: string, intent: Intent): Promise<IntentReply>;
  end(command: EndCommand): Promise<EndReply>;
  /** Prolongs the leases. */
  renew(held: readonly HeldRun[], leaseMs: number): Promise<RenewReply>;

  cancel(runId: string, retentionMs: Retention): Promise<CancelReply>;
  resolve(runId: string, callId: string | undefined, resolution: Resolution, retentionMs: Retention): Promise<ResolveReply>;
  /** Write-once. A question whose deadline has passed is not open any more, even before `look` has settled it. */
  decide(runId: string, callId: string, command: DecideCommand): Promise<ResolveReply>;
  /** The open approvals of this wake were announced: `look` need not have it tried again. */
  announced(runId: string, wake: number): Promise<void>;

  get(runId: string): Promise<RunInfo | undefined>;
  /** Whose run it is, without its record: told also to who has no key to open that. */
  tenantOf(runId: string): Promise<string | undefined>;
  /** The output of a completed run. */
  output(runId: string): Promise<Json | undefined>;
  items(runId: string): Promise<string[]>;
  list(query: ListQuery): Promise<RunInfo[]>;
  /** A run as one of its hops found it; without `hop` its present one. `unrecorded`: it ended before hops were kept. */
  snapshot(runId: string, hop?: number): Promise<SnapshotReply>;
  /** Failed runs that were not retried, by what made them fail. Costs by reasons, not by runs. */
  failures(query: FailureQuery): Promise<FailureGroup[]>;

  events(runId: string, afterId: string, limit: number): Promise<StoredEvent[]>;
  /** Calls `wake` whenever a run has new events or live text. May call it without reason. */
  watch(runId: string, wake: () => void): Promise<() => Promise<void>>;
  /** Calls `stop` when a run that is held here should stop. */
  watchStops(stop: (runId: string, reason: StopReason) => void): Promise<() => Promise<void>>;

  /** Runs whose dispatch entry is due: look at each. At most `limit`. */
  due(limit: number): Promise<DueReply>;
  /** Takes the runs that only wait for their turn out of a page of due ones. A store without it has each looked at. */
  glance?(runIds: readonly string[]): Promise<{ readonly rest: readonly string[]; readonly waiting: readonly WakeJob[] }>;
  /** Repairs one run: resumes one whose turn in its conversation has come, re-offers a queued one, takes a dead attempt's run back, resumes a lane, expires a deadline, times an approval out. */
  look(runId: string, policy: { readonly retentionMs: Retention; readonly maxDeaths: number }): Promise<WakeJob | undefined>;
  /**
   * Takes runs back whose process is known to be dead, as `look` does when a lease is over: a death is counted, the run is queued or given up.
   * What its token no longer holds is left alone. Returns what must be put into its queue.
   */
  takeBack(held: readonly HeldRun[], policy: { readonly retentionMs: Retention; readonly maxDeaths: number }): Promise<WakeJob[]>;
  /** Deletes one final run at once, with its idempotency key. */
  remove(runId: string): Promise<RemoveReply>;
  /** Deletes idempotency keys of a tenant that outlived their runs. Looks through all keys; returns how many it deleted. */
  forgetIdempotencyKeys(tenant: string): Promise<number>;
  /** Deletes final runs whose retention has passed, and what indexes hold of them. Returns how many. */
  sweep(limit: number): Promise<number>;

  /** What model calls added up to on each of these days. Costs by names, not by calls. */
  totals(query: TotalsQuery): Promise<TotalsRow[]>;
  /** Deletes what is added up under a tenant's name. */
  forgetTotals(tenant: string): Promise<void>;

  readonly conversations: ConversationStore;

  announce(worker: WorkerEntry, agents: readonly AgentEntry[]): Promise<void>;
  withdraw(workerId: string): Promise<void>;
  workers(): Promise<WorkerEntry[]>;
  agents(): Promise<AgentEntry[]>;

  close(): Promise<void>;
}

/** Text of a turn while it is being made. May live on another Redis; losing it loses nothing but liveness. */
export interface LiveText {
  append(runId: string, turn: number, attempt: number, chunk: LiveChunk): Promise<void>;
  read(runId: string, turn: number, attempt: number, fromOffset: number): Promise<LiveChunk[]>;
  /** Deletes the text of all turns up to `turns` in all attempts up to `attempts`. */
  remove(runId: string, turns: number, attempts: number): Promise<void>;
}
