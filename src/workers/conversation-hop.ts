/**
 * A run's hop inside a conversation: what it is shown in front of the run's own items, and what the run leaves there when it completes.
 * The turn is the run's input and all that came of it, over all its hops, as it was before any handoff's filter rewrote it.
 */
import { z } from "zod";
import { type Compaction, itemsOf, turnsToCompact } from "../agents/compaction.ts";
import type { HopResult } from "../agents/run-hop.ts";
import type { Clock } from "../clock.ts";
import type { Attempt, BeginReply } from "../protocol/attempt.ts";
import type { ConversationStep, ConversationTurn } from "../protocol/conversation.ts";
import { FleetError } from "../protocol/errors.ts";
import { type Json, jsonSchema } from "../protocol/json.ts";
import { LIMITS } from "../protocol/limits.ts";

export interface ConversationHop {
  readonly before: readonly Json[];
  /** The items to sum up first, and by whom. The summary comes in front of `before`. */
  readonly summary: { readonly older: readonly Json[]; readonly how: Exclude<Compaction["how"], string>["summariseWith"] } | undefined;
  completed(result: Extract<HopResult, { type: "completed" }>): ConversationStep;
  /** What the next hop needs to know; undefined where it can see for itself. */
  handedOff(result: Extract<HopResult, { type: "handed-off" }>): string | undefined;
}

const stateSchema = z.object({
  v: z.literal(1),
  /** Turns that gave way in an earlier hop. */
  drop: z.int().min(0),
  summary: z.array(jsonSchema).optional(),
  /** The run's turn so far: a filter rewrote the transcript, which holds from then on what is shown of the conversation. */
  turn: z.array(jsonSchema).optional(),
});
type State = z.infer<typeof stateSchema>;

export interface ConversationParts {
  readonly begun: Extract<BeginReply, { status: "begun" }>;
  readonly own: readonly Json[];
  readonly policy: Compaction | undefined;
  readonly clock: Clock;
}

/** Undefined for a run without a conversation. @throws FleetError CONVERSATION_FULL */
export function openConversation({ begun, own, policy, clock }: ConversationParts): ConversationHop | undefined {
  const { attempt, turns } = begun;
  const { conversation } = attempt;
  if (conversation === undefined) return undefined;
  const state = stateOf(attempt, turns, policy);
  const kept = state.turn === undefined ? turns.slice(state.drop) : [];
  checkSize(conversation, kept);
  const how = policy?.how;
  const sumsUp = attempt.hop === 0 && state.drop > 0 && how !== undefined && how !== "drop-oldest";
  const turnSoFar = state.turn ?? own;
  return {
    before: [...(state.turn === undefined ? (state.summary ?? []) : []), ...itemsOf(kept)],
    summary: sumsUp ? { older: itemsOf(turns.slice(0, state.drop)), how: how.summariseWith } : undefined,
    completed(result) {
      const summary = result.summary ?? state.summary;
      const made = { v: 1, atMs: clock.nowMs(), contextTokens: 0 } as const;
      return {
        tenant: attempt.tenant,
        id: conversation,
        drop: state.drop,
        turn: {
          ...made,
          type: "run",
          id: attempt.runId,
          agent: attempt.agent,
          contextTokens: result.contextTokens,
          itemsJson: JSON.stringify([...turnSoFar, ...result.items]),
        },
        ...(summary === undefined
          ? {}
          : { summary: { ...made, type: "summary", id: `summary-${attempt.runId}`, itemsJson: JSON.stringify(summary) } }),
      };
    },
    handedOff(result) {
      const summary = result.summary ?? state.summary;
      const generated = result.unfiltered ?? result.items;
      const turn = state.turn !== undefined || result.replacesTranscript ? [...turnSoFar, ...generated] : undefined;
      if (state.drop === 0 && turn === undefined) return undefined;
      const next: State = {
        v: 1,
        drop: state.drop,
        ...(summary === undefined ? {} : { summary: [...summary] }),
        ...(turn === undefined ? {} : { turn }),
      };
      return JSON.stringify(next);
    },
  };
}

/** The first hop decides what gives way, the later ones stay with it. While the run has the turn, nothing else changes the conversation. */
function stateOf({ hop, conversationJson }: Attempt, turns: readonly ConversationTurn[], policy: Compaction | undefined): State {
  if (conversationJson !== undefined) return stateSchema.parse(JSON.parse(conversationJson));
  return { v: 1, drop: hop === 0 ? turnsToCompact(turns, policy) : 0 };
}

function checkSize(id: string, kept: readonly ConversationTurn[]): void {
  const bytes = kept.reduce((sum, { itemsJson }) => sum + Buffer.byteLength(itemsJson), 0);
  if (bytes <= LIMITS.conversationBytes) return;
  throw new FleetError(
    "CONVERSATION_FULL",
    `Expected conversation ${id} to hold at most ${LIMITS.conversationBytes} bytes; it holds ${bytes}.`,
    {
      at: "conversation",
      remedy: `flotilla conversations trim ${id} --keep-turns 20, or let the fleet compact conversations`,
    },
  );
}
