/** What one hop needs from outside. The worker plugs the store in; tests plug memory in. */
import type { RunEvent } from "../protocol/events.ts";
import type { Intent, Usage } from "../protocol/run.ts";
import type { LiveChunk, StopReason } from "../protocol/run-store.ts";

export interface JournalWrite {
  readonly key: string;
  readonly valueJson: string;
  readonly usage: Usage;
  readonly turns: 0 | 1;
  readonly event: RunEvent | undefined;
  readonly closesIntent?: string;
}

/** The journal of one hop, bound to one attempt. */
export interface HopJournal {
  /** Entries there were when the attempt began. */
  readonly entries: ReadonlyMap<string, string>;
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
export type AbortReason = StopReason | "superseded" | "shutdown";
