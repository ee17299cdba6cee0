/** What one attempt at a run says to the store and hears from it: begin, facts, intents, and what it decided. */
import type { ConversationStep, ConversationTurn } from "./conversation.ts";
import type { RunEvent } from "./events.ts";
import type { Priority, WakeJob } from "./job.ts";
import type { Json } from "./json.ts";
import type { Origin, ToolMode } from "./origin.ts";
import type { Retention } from "./retention.ts";
import type { Approval, Decided, FinalStatus, Intent, Loop, RunErrorInfo, RunStatus, Suspension, Usage } from "./run.ts";
import type { Tally } from "./totals.ts";

/** Which code of an agent an attempt runs. */
export interface AgentBuild {
  /** The deploy's own name for it. */
  readonly version: string;
  /** Hash of what can be told of the agent: instructions, tools, output type, model, handoffs. */
  readonly fingerprint: string;
}

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
  /** The agent that the wake is for, as this worker has it. Recorded only if the run is this agent's. */
  readonly build?: AgentBuild & { readonly agent: string };
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
  /** The agents that had the run before, oldest first; the latest 32. */
  readonly recentAgents: readonly string[];
  readonly tenant: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly contextJson: string;
  readonly settingsJson: string;
  readonly metadataJson: string;
  readonly tags: readonly string[];
  readonly retries: number;
  readonly resamples: number;
  /** Workers that took this hop without holding its agent. */
  readonly misplaced: number;
  /** Journaled top-level turns of the hops before this one. */
  readonly turnsBefore: number;
  readonly deadlineAtMs: number;
  /** The code under which this hop began; absent where its first worker did not say. */
  readonly hopBuild?: AgentBuild;
  /** Where the run comes from; absent for one that was submitted. */
  readonly origin?: Origin;
  /** The first run of its line, which names effects to the outside; its own id for a run that was submitted. */
  readonly root: string;
  readonly tools: ToolMode;
  /** The model of every turn from `origin.turn` on, in place of the agents' own. */
  readonly model?: string;
  /** True when this hop may have journal entries to replay. */
  readonly hasJournal: boolean;
  readonly openIntents: readonly Intent[];
  /** By call id: those that stand. */
  readonly decisions: ReadonlyMap<string, Decided>;
  readonly conversation?: string;
  /** What an earlier hop of this run noted for the later ones (`conversationJson` of `handed-off`). */
  readonly conversationJson?: string;
}

export type BeginReply =
  | {
      readonly status: "begun";
      readonly attempt: Attempt;
      readonly itemsJson: readonly string[];
      /** What the run's conversation holds, in its order. */
      readonly turns: readonly ConversationTurn[];
    }
  /** Nothing to do: the run is final, gone, held by a living attempt, another wake is due, or it is not time yet. The job ends without effect. */
  | { readonly status: "stale"; readonly why: "gone" | "final" | "wake" | "suspended" | "paused" | "held" | "not-before" }
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
  /** What a model call adds to the totals of its day. */
  readonly tally?: Tally;
}

export type StepReply =
  /** `valueJson` is what is stored now: another attempt's value if that came first. */
  | {
      readonly status: "recorded";
      readonly valueJson: string;
      readonly current: boolean;
      readonly stop: StopReason | undefined /** The run is to be let go at the end of its present step. */;
      readonly paused: boolean;
    }
  | { readonly status: "gone" };

/** Why a running attempt should stop: somebody cancelled, or the deadline passed. */
export type StopReason = "cancelled" | "expired";

export type IntentReply =
  | { readonly status: "opened" }
  | { readonly status: "superseded" }
  | { readonly status: "stop"; readonly stop: StopReason };

export interface Refusal {
  readonly callId: string;
  readonly why: string;
}

interface Settled {
  /** Appended to the transcript. */
  readonly itemsJson?: string;
  /** The context as it is now, as JSON text. */
  readonly contextJson?: string;
}

/** A journal entry to forget, and the entry under which the next sample finds what was wrong with it. */
export interface RejectedEntry {
  readonly key: string;
  readonly rejectionKey: string;
  readonly rejectionJson: string;
}

/** What an attempt decided. */
export type Outcome =
  | (Settled & {
      readonly type: "completed";
      readonly output: Json;
      /** Only of a run in a conversation: nothing else that ends leaves anything there. */
      readonly conversation?: ConversationStep;
    })
  | (Settled & {
      readonly type: "handed-off";
      readonly to: string;
      /** The target's queue; absent when its code lives elsewhere and the registry must tell. */
      readonly queue?: string;
      readonly arguments?: string;
      /** `itemsJson` replaces the transcript, because an input filter rewrote it. */
      readonly replacesTranscript: boolean;
      /** Kept for the hops to come: what a conversation's turn needs and the transcript no longer tells. */
      readonly conversationJson?: string;
    })
  | {
      readonly type: "suspended";
      readonly suspension: Suspension;
      readonly untilMs?: number;
      readonly approvals?: readonly Approval[];
      /** Decisions that this worker does not accept: they go into the history, and their calls wait again. */
      readonly refusals?: readonly Refusal[];
      /** The approvals are to be announced, by this worker or by whoever looks later. */
      readonly announce?: true;
      readonly error?: RunErrorInfo;
      /** Of the suspension `loop`. */
      readonly loop?: Loop;
    }
  | {
      readonly type: "retry";
      readonly notBeforeMs: number;
      readonly error: RunErrorInfo;
      /** The worker does not hold the agent: counted in `misplaced`, not in `retries`. */
      readonly misplaced?: true;
      /** A bad answer, which would fail the same way for ever. Counted in `resamples`. */
      readonly rejects?: RejectedEntry;
    }
  | {
      readonly type: "failed" | "blocked" | "refused";
      readonly error: RunErrorInfo;
      /** The journal entry at fault: a retry of the run forgets it. */
      readonly rejectKey?: string;
      readonly loop?: Loop;
    }
  | { readonly type: StopReason }
  /** The worker shuts down, or the run is paused: another takes the run at once, or when it is resumed, nothing is counted. */
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
  | {
      readonly status: "settled";
      readonly as: RunStatus;
      readonly next: WakeJob | undefined;
      /** The run whose turn in the conversation has come: `look` at it. If nobody does, the reconciler will. */
      readonly follower?: string;
    }
  /** Another attempt has the run, or it is final: nothing was written. */
  | { readonly status: "superseded" };

export interface HeldRun {
  readonly runId: string;
  readonly token: string;
}

/** What a renewal finds out about the runs it was asked to keep. */
export interface RenewReply {
  /** The token no longer holds them. */
  readonly lost: readonly string[];
  /** Held on, but asked to stop: said again at each beat, because the message that said it first may have been lost. */
  readonly stopped: readonly { readonly runId: string; readonly reason: StopReason }[];
}
