/** What one hop needs from outside. The worker plugs the store in; tests plug memory in. */
import type { Intent } from "../protocol/run.ts";
import type { Fact, StopReason } from "../protocol/attempt.ts";
import type { LiveChunk } from "../protocol/run-store.ts";
import type { Tally } from "../protocol/totals.ts";

/** A fact without what the attempt it is bound to says. */
export type JournalWrite = Omit<Fact, "runId" | "token" | "hop" | "tally"> & {
  /** Of a model call: what it adds to the totals. */
  readonly call?: Pick<Tally, "model" | "numbers">;
};

/** The journal of one hop, bound to one attempt. */
export interface HopJournal {
  /** Entries there were when the attempt began. */
  readonly entries: ReadonlyMap<string, string>;
  /** What is under way: keys of model calls, ids of tool calls with an intent. While there is something the attempt is not let go. */
  readonly open: Set<string>;
  /** Resolves with what is stored now, which may be another attempt's value. Rejects when the store cannot answer. */
  write(entry: JournalWrite): Promise<string>;
  /** Records that a tool's effect is about to happen. Rejects when this attempt may no longer start one. */
  openIntent(intent: Intent): Promise<void>;
}

/** Live text of one attempt. Never rejects: text that is lost is only late. */
export interface HopLiveText {
  append(turn: number, chunk: LiveChunk): void;
}

/** Why an attempt's signal was aborted. */
export type AbortReason = StopReason | "superseded" | "shutdown" | "paused";
