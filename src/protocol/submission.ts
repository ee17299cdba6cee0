/** What a producer hands to the store, and what it is answered. */
import type { Priority, WakeJob } from "./job.ts";
import type { ToolMode } from "./origin.ts";
import type { RunStatus } from "./run.ts";
import type { Seed } from "./seed.ts";

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
  /** What its costs are added up by, each once and in order. Absent: none. Never sealed. */
  readonly tags?: readonly string[];
  /** Agent-specific settings given at submit (such as an output schema), as JSON text. Default `{}`. */
  readonly settingsJson: string;
  readonly idempotencyKey?: string;
  /** Hash of agent, input, context and settings: the same idempotency key with another hash is a conflict. Empty without a key. */
  readonly inputHash: string;
  readonly delayMs: number;
  readonly deadlineMs: number;
  readonly maxHops: number;
  /** The run waits until earlier runs of this conversation of its tenant are over, and is shown what they left. */
  readonly conversation?: string;
  /** What becomes of tool calls; a seed says it itself. Default `live`. */
  readonly tools?: ToolMode;
  /** The model of every turn, in place of the agents' own; a seed says it itself. */
  readonly model?: string;
  /** Of a run that is made out of another one. Such a submission has no idempotency key: a run is retried once anyway. */
  readonly seed?: Seed;
}

export type SubmitReply =
  | {
      readonly status: "created";
      readonly runId: string;
      /** Undefined while the run waits for its turn in a conversation. */
      readonly wake: WakeJob | undefined;
      readonly agentSeenAtMs: number | undefined;
    }
  /** The same id or the same idempotency key and input: the run that is there. `wake` to be put into its queue again if it is queued. */
  | { readonly status: "duplicate"; readonly runId: string }
  | { readonly status: "conflict"; readonly runId: string }
  /** So many runs of the conversation are not over that no other is taken in. */
  | { readonly status: "conversation-full" }
  /** Only without a `queue`: nobody ever announced the agent. */
  | { readonly status: "unknown-agent"; readonly known: readonly string[] }
  /** Only with a seed: the source is not there, or another tenant's. */
  | { readonly status: "source-gone" }
  /** Only for a retry: the source did not end without an output. */
  | { readonly status: "source-open"; readonly as: RunStatus };
