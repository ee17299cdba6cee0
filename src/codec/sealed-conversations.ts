/** Conversations whose items are sealed. Each turn is bound to its conversation, its tenant and its own id: moved elsewhere, it does not open. */
import type { ConversationKey, ConversationStep, ConversationStore, ConversationTurn } from "../protocol/conversation.ts";
import type { PayloadCodec } from "./payload-codec.ts";

export function createSealedConversations(store: ConversationStore, codec: PayloadCodec): ConversationStore {
  return {
    ...store,
    turns: async (key, newest) => openTurns(codec, key, await store.turns(key, newest)),
    change: (key, change) => store.change(key, { ...change, append: change.append.map((turn) => sealTurn(codec, key, turn)) }),
  };
}

export const openTurns = (codec: PayloadCodec, key: ConversationKey, turns: readonly ConversationTurn[]): ConversationTurn[] =>
  turns.map((turn) => ({ ...turn, itemsJson: codec.open(turn.itemsJson, placeOf(key, turn)) }));

export const sealStep = (codec: PayloadCodec, step: ConversationStep): ConversationStep => ({
  ...step,
  turn: sealTurn(codec, step, step.turn),
  ...(step.summary === undefined ? {} : { summary: sealTurn(codec, step, step.summary) }),
});

const sealTurn = (codec: PayloadCodec, key: ConversationKey, turn: ConversationTurn): ConversationTurn => ({
  ...turn,
  itemsJson: codec.seal(turn.itemsJson, placeOf(key, turn)),
});

/** Neither tenants nor ids hold a slash, and no run id begins so. */
const placeOf = ({ tenant, id }: ConversationKey, turn: ConversationTurn) => ({
  runId: `conversation:${tenant}/${id}`,
  field: `turn:${turn.type}:${turn.id}`,
});
