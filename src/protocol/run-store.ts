/**
 * The port every store of runs fills: Redis in production, memory in tests. One suite (`tests/support/run-store-suite.ts`) runs against both.
 *
 * The store decides nothing about agents. It keeps the invariants of state: I1 (the record is the truth), I2 (decisions are fenced by the
 * attempt's token, facts are not), I3 (one dispatch member per live run), I8 (first final state wins), I12 (a command may be sent twice:
 * the same token and operation get the first answer again).
 */
import type { RunEvent } from "./events.ts";
import type { Priority, WakeJob } from "./job.ts";
import type { Json } from "./json.ts";
import type { AgentEntry, WorkerEntry } from "./registry.ts";
import type { Retention } from "./retention.ts";
import type { Approval, Decision, FinalStatus, Intent, RunErrorInfo, RunInfo, RunStatus, Suspension, Usage } from "./run.ts";

export type { RemovedRun, WakeQueue } from "./wake-queue.ts";

/** A run as its producer made it. Ids are made by the client, so that a re-sent submit finds itself. */
export interface Submission {
  readonly runId: string;
  readonly agent: string;
  /** Absent when the producer does not know it: the registry then tells. */
  readonly queue?: string;
  readonly tenant: string;
  readonly priority: Priority;
  /** The SDK's input items, as JSON text of an array. */
  readonly itemsJson: string;
  /** The serialisable context, as JSON text of an object. */
  readonly contextJson: string;
  readonly metadataJson: string;
  /** Agent-specific settings given at submit (such as an output schema), as JSON text. Default `{}`. */
  readonly settingsJson: string;
  readonly idempotencyKey?: string;
  /** Hash of agent, input and context: the same key with another hash is a conflict. */
  readonly inputHash: string;
  readonly delayMs: number;
  readonly deadlineMs: number;
  readonly maxHops: number;
}

export type SubmitReply =
  | { readonly status: "created"; readonly runId: string; readonly wake: WakeJob; readonly agentSeenAtMs: number | undefined }
  /** The same id or the same idempotency key and input: the run that is there. `wake` to be put into its queue again if it is queued. */
  | { readonly status: "duplicate"; readonly runId: string }
  | { readonly status: "conflict"; readonly runId: string }
  /** Only without a `queue`: nobody ever announced the agent. */
  | { readonly status: "unknown-agent"; readonly known: readonly string[] };

export interface BeginCommand {
  readonly runId: string;
  readonly wake: number;
  /** Made by the worker for this attempt; fences everything the attempt decides. */
  readonly token: string;
  readonly workerId: string;
  /** How long the attempt holds the run without renewal. */
  readonly leaseMs: number;
  /** Attempts in a row that may die before the run is given up (RUN_CRASHED). */
  readonly maxDeaths: number;
}

/** What an attempt needs to know of its run. */
export interface Attempt {
  readonly runId: string;
  readonly token: string;
  readonly wake: number;
  readonly attempt: number;
  readonly hop: number;
  readonly maxHops: number;
  readonly agent: string;
  readonly entryAgent: string;
  readonly tenant: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly contextJson: string;
  readonly settingsJson: string;
  readonly metadataJson: string;
  readonly retries: number;
  readonly resamples: number;
  /** Workers that took this hop without holding its agent. */
  readonly misplaced: number;
  /** Journaled top-level turns of the hops before this one. */
  readonly turnsBefore: number;
  readonly deadlineAtMs: number;
  /** True when this hop may have journal entries to replay. */
  readonly hasJournal: boolean;
  readonly openIntents: readonly Intent[];
  /** By call id; recorded by `decide`. */
  readonly decisions: ReadonlyMap<string, Decision>;
}

export type BeginReply =
  | { readonly status: "begun"; readonly attempt: Attempt; readonly itemsJson: readonly string[] }
  /** Nothing to do: the run is final, gone, held by a living attempt, another wake is due, or it is not time yet. The job ends without effect. */
  | { readonly status: "stale"; readonly why: "gone" | "final" | "wake" | "suspended" | "held" | "not-before" }
  /** `begin` itself ended the run: cancelled, expired, or failed with RUN_CRASHED. */
  | { readonly status: "ended"; readonly as: FinalStatus };

/** A finished model or tool call. Write-once; accepted from superseded attempts too (I2). */
export interface Fact {
  readonly runId: string;
  readonly token: string;
  readonly hop: number;
  /** `m:…` or `t:…`. */
  readonly key: string;
  readonly valueJson: string;
  readonly usage: Usage;
  /** 1 for a top-level model call, else 0. */
  readonly turns: 0 | 1;
  readonly event: RunEvent | undefined;
  /** The intent that this fact answers. */
  readonly closesIntent?: string;
}

export type StepReply =
  /** `valueJson` is what is stored now: another attempt's value if that came first. */
  | { readonly status: "recorded"; readonly valueJson: string; readonly current: boolean; readonly stop: StopReason | undefined }
  | { readonly status: "gone" };

/** Why a running attempt should stop: somebody cancelled, or the deadline passed. */
export type StopReason = "cancelled" | "expired";

export type IntentReply =
  | { readonly status: "opened" }
  | { readonly status: "superseded" }
  | { readonly status: "stop"; readonly stop: StopReason };

interface Settled {
  /** Appended to the transcript. */
  readonly itemsJson?: string;
  /** The context as it is now, as JSON text. */
  readonly contextJson?: string;
}

/** What an attempt decided. */
export type Outcome =
  | (Settled & { readonly type: "completed"; readonly output: Json })
  | (Settled & {
      readonly type: "handed-off";
      readonly to: string;
      /** The target's queue; absent when its code lives elsewhere and the registry must tell. */
      readonly queue?: string;
      readonly arguments?: string;
      /** `itemsJson` replaces the transcript, because an input filter rewrote it. */
      readonly replacesTranscript: boolean;
    })
  | {
      readonly type: "suspended";
      readonly suspension: Suspension;
      readonly untilMs?: number;
      readonly approvals?: readonly Approval[];
      readonly error?: RunErrorInfo;
    }
  | {
      readonly type: "retry";
      readonly notBeforeMs: number;
      readonly error: RunErrorInfo;
      /** The worker does not hold the agent: counted in `misplaced`, not in `retries`. */
      readonly misplaced?: true;
      /** A journal entry to forget: a bad answer that would fail the same way for ever. Counted in `resamples`. */
      readonly rejectKey?: string;
    }
  | { readonly type: "failed" | "blocked" | "refused"; readonly error: RunErrorInfo }
  | { readonly type: StopReason }
  /** The worker shuts down: another takes the run at once, nothing is counted. */
  | { readonly type: "released" };

export interface EndCommand {
  readonly runId: string;
  readonly token: string;
  readonly outcome: Outcome;
  /** How long a final run stays readable. */
  readonly retentionMs: Retention;
}

export type EndReply =
  /** `next` must be put into its queue; absent for final, suspended and not-yet-due runs. */
  | { readonly status: "settled"; readonly as: RunStatus; readonly next: WakeJob | undefined }
  /** Another attempt has the run, or it is final: nothing was written. */
  | { readonly status: "superseded" };

export interface HeldRun {
  readonly runId: string;
  readonly token: string;
}

export type CancelReply =
  | { readonly status: "cancelled" }
  /** An attempt is running: it was told, and ends as cancelled. */
  | { readonly status: "requested" }
  | { readonly status: "already-final"; readonly as: FinalStatus }
  | { readonly status: "unknown" };

/** A person's word on a call whose effect is unknown, or on a diverged replay. */
export type Resolution =
  | { readonly type: "ran"; readonly resultJson: string }
  | { readonly type: "not-run" }
  | { readonly type: "fail" }
  /** `replay-diverged` only: forget the hop's journal and sample it anew. */
  | { readonly type: "resample" };

export type ResolveReply =
  | { readonly status: "resolved"; readonly next: WakeJob | undefined }
  | { readonly status: "not-open"; readonly info: RunInfo }
  | { readonly status: "unknown" };

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
  readonly status?: RunStatus;
  readonly tenant?: string;
  /** Newest first; only runs created before this run id. */
  readonly before?: string;
  readonly limit: number;
}

export interface RunStore {
  submit(submission: Submission): Promise<SubmitReply>;
  /** In order. Each submission stands for itself. */
  submitMany(submissions: readonly Submission[]): Promise<SubmitReply[]>;

  begin(command: BeginCommand): Promise<BeginReply>;
  /** All entries of a hop's journal. */
  journal(runId: string, hop: number): Promise<Map<string, string>>;
  record(fact: Fact): Promise<StepReply>;
  openIntent(runId: string, token: string, intent: Intent): Promise<IntentReply>;
  end(command: EndCommand): Promise<EndReply>;
  /** Prolongs the leases. Returns the runs that this token no longer holds. */
  renew(held: readonly HeldRun[], leaseMs: number): Promise<string[]>;

  cancel(runId: string, retentionMs: Retention): Promise<CancelReply>;
  resolve(runId: string, callId: string | undefined, resolution: Resolution, retentionMs: Retention): Promise<ResolveReply>;
  decide(runId: string, callId: string, decision: Decision): Promise<ResolveReply>;

  get(runId: string): Promise<RunInfo | undefined>;
  /** The output of a completed run. */
  output(runId: string): Promise<Json | undefined>;
  items(runId: string): Promise<string[]>;
  list(query: ListQuery): Promise<RunInfo[]>;

  events(runId: string, afterId: string, limit: number): Promise<StoredEvent[]>;
  /** Calls `wake` whenever a run has new events or live text. May call it without reason. */
  watch(runId: string, wake: () => void): Promise<() => Promise<void>>;
  /** Calls `stop` when a run that is held here should stop. */
  watchStops(stop: (runId: string, reason: StopReason) => void): Promise<() => Promise<void>>;

  /** Runs whose dispatch entry is due: look at each. At most `limit`. */
  due(limit: number): Promise<DueReply>;
  /** Takes the runs that only wait for their turn out of a page of due ones. A store without it has each looked at. */
  glance?(runIds: readonly string[]): Promise<{ readonly rest: readonly string[]; readonly waiting: readonly WakeJob[] }>;
  /** Repairs one run: re-offers a queued one, takes a dead attempt's run back, resumes a lane, expires a deadline. */
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
