/** What people say about a run, and what they are answered. */
import type { WakeJob } from "./job.ts";
import type { Decision, FinalStatus, RunInfo } from "./run.ts";

export type CancelReply =
  /** `follower`: as in EndReply. */
  | { readonly status: "cancelled"; readonly follower?: string }
  /** An attempt is running: it was told, and ends as cancelled. */
  | { readonly status: "requested" }
  | { readonly status: "already-final"; readonly as: FinalStatus }
  | { readonly status: "unknown" };

/** A person's word that needs nothing beside it. */
export type PlainResolution =
  /** Of a call whose effect is unknown: it did not happen, and runs now. */
  | { readonly type: "not-run" }
  /** Of anything: the run ends as failed. */
  | { readonly type: "fail" }
  /** Of a loop: go on; the count begins anew. */
  | { readonly type: "continue" }
  /** Of a diverged replay: forget the hop's journal and start the hop again. It is paid again, and its tools may run again. */
  | { readonly type: "resample" };

/** A person's word on a call whose effect is unknown, on a diverged replay, or on a loop. */
export type Resolution = { readonly type: "ran"; readonly resultJson: string } | PlainResolution;

export type ResolveReply =
  | { readonly status: "resolved"; readonly next: WakeJob | undefined }
  | { readonly status: "not-open"; readonly info: RunInfo }
  | { readonly status: "unknown" };

export interface DecideCommand {
  /** Made by the client for this decision: the same one sent twice is one decision (I12). */
  readonly id: string;
  readonly decision: Decision;
  /** Given where a decision may only concern this tenant's runs: another's is answered as unknown. */
  readonly tenant?: string;
}
