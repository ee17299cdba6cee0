/**
 * A conversation: what completed runs of one tenant said under one id, turn by turn, and the runs that wait to say more.
 * Its runs take turns in the order of their submission. A turn is kept whole or not at all.
 */
import { z } from "zod";
import { agentNameSchema } from "./ids.ts";

export const conversationTurnSchema = z.strictObject({
  v: z.literal(1),
  /** The run that made it; of other turns an id of their own. */
  id: z.string().min(1).max(64),
  /** `summary` stands for older turns; `items` were written through a session. */
  type: z.enum(["run", "summary", "items"]),
  atMs: z.int(),
  /** The agent that answered. */
  agent: agentNameSchema.optional(),
  /** Tokens of the run's last model call, question and answer, as the provider counted them; 0 when it did not say. */
  contextTokens: z.int().min(0),
  /** The SDK's items as JSON text of an array: the run's input and all that came of it. */
  itemsJson: z.string(),
});
export type ConversationTurn = z.infer<typeof conversationTurnSchema>;

export interface ConversationKey {
  readonly tenant: string;
  readonly id: string;
}

export interface ConversationInfo extends ConversationKey {
  readonly turns: number;
  /** Of all turns as they are stored. */
  readonly bytes: number;
  /** Its runs that are not over, in their order. The first one has the turn. */
  readonly runs: readonly string[];
  readonly createdAtMs: number;
  readonly usedAtMs: number;
}

export interface ConversationQuery {
  readonly tenant: string;
  readonly limit: number;
  /** Last used first; only those behind this one. */
  readonly before?: string | undefined;
}

/** What a completed run leaves. */
export interface ConversationStep extends ConversationKey {
  readonly turn: ConversationTurn;
  /** So many of the oldest turns go, and `summary` comes in their place. */
  readonly drop: number;
  readonly summary?: ConversationTurn;
}

/** A change by somebody who is no run. Refused while a run has the turn: what that run was shown must stay. */
export interface ConversationChange {
  /** Made by the client, so that a change which is sent twice is made once. */
  readonly changeId: string;
  /** How many of the newest turns stay. */
  readonly keep: number;
  /** Of those, the newest goes as well, provided that it is this one. */
  readonly dropNewest?: string;
  /** Put behind what stays. */
  readonly append: readonly ConversationTurn[];
  /** Refused when there is such a conversation already. */
  readonly isNew?: true;
}

export type ConversationReply =
  | { readonly status: "changed" }
  /** Runs of it are not over. */
  | { readonly status: "busy"; readonly runId: string }
  /** `isNew`, and it is there; or the newest turn is another one. */
  | { readonly status: "moved" }
  /** What stays and what is appended would be more than the limit, `conversationBytes`. */
  | { readonly status: "full" };

export type ConversationRemoval =
  | { readonly status: "removed" }
  | { readonly status: "busy"; readonly runId: string }
  | { readonly status: "unknown" };

export interface ConversationStore {
  list(query: ConversationQuery): Promise<ConversationInfo[]>;
  get(key: ConversationKey): Promise<ConversationInfo | undefined>;
  /** In their order; with `newest`, only so many of the newest. */
  turns(key: ConversationKey, newest?: number): Promise<ConversationTurn[]>;
  change(key: ConversationKey, change: ConversationChange): Promise<ConversationReply>;
  remove(key: ConversationKey): Promise<ConversationRemoval>;
}
