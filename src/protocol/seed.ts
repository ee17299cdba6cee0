/** What a new run takes over from its source, and what a store tells of a source for it. */
import type { AgentBuild } from "./attempt.ts";
import type { Origin, ToolMode } from "./origin.ts";
import type { Decided, Intent, RunInfo } from "./run.ts";

/** A finished tool call of the source, from which the same call of the new run is answered. */
export interface Recording {
  readonly tool: string;
  /** As the model gave them. */
  readonly arguments: string;
  /** The journal entry: JSON of the result. */
  readonly valueJson: string;
}

/** Travels with the submission, so that a run is never there without what it begins with. */
export interface Seed {
  readonly origin: Origin;
  /** The first run of the line. Its id stands in the idempotency keys of tools, so that a repeated call is known as the same. */
  readonly root: string;
  readonly tools: ToolMode;
  /** The model of every turn that the new run makes itself. Absent: each agent's own. */
  readonly model?: string;
  readonly entryAgent: string;
  /** Top-level turns of the hops before `origin.hop`. */
  readonly turnsBefore: number;
  /** The journal of `origin.hop` as far as it is taken over. */
  readonly journal: ReadonlyMap<string, string>;
  /** Calls of that hop whose effect is unknown: the new run asks about them. */
  readonly intents: readonly Intent[];
  readonly decisions: ReadonlyMap<string, Decided>;
  /** The code under which the hop began that goes on. */
  readonly hopBuild?: AgentBuild;
  /** For a retry inside a conversation: what an earlier hop noted of it. */
  readonly conversationJson?: string;
  /** Only for `recorded`. */
  readonly recordings: readonly Recording[];
}

/** A run as it was when one of its hops began, and what that hop journaled. Read in one step. */
export interface HopSnapshot {
  readonly info: RunInfo;
  readonly hop: number;
  /** The agent that had this hop. */
  readonly agent: string;
  readonly turnsBefore: number;
  /** The transcript and the context with which the hop began. */
  readonly itemsJson: readonly string[];
  readonly contextJson: string;
  /** An input filter rewrote the transcript in an earlier hop: it holds what was shown of the conversation. */
  readonly isFiltered: boolean;
  readonly conversationJson: string | undefined;
  readonly hopBuild: AgentBuild | undefined;
  readonly journal: ReadonlyMap<string, string>;
  readonly decisions: ReadonlyMap<string, Decided>;
  readonly root: string;
  readonly settingsJson: string;
  readonly maxHops: number;
  /** The journal entry that made the run fail, if one did. */
  readonly rejectedKey: string | undefined;
}
