/**
 * The SDK's `Session` on a fleet's conversation, for those who call `Runner.run` themselves. Each write is a turn of its own. While a run of the
 * fleet has the turn, writes are refused: what that run was shown must stay, and nothing may stand in the middle of what it will leave.
 */
import { randomUUID } from "node:crypto";
import type { AgentInputItem, Session } from "@openai/agents";
import { type Clock, systemClock } from "../clock.ts";
import type { ConversationChange, ConversationTurn } from "../protocol/conversation.ts";
import { FleetError } from "../protocol/errors.ts";
import { conversationIdSchema, tenantSchema } from "../protocol/ids.ts";
import { encodeJson } from "../protocol/json.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { RunStore } from "../protocol/run-store.ts";

export interface SessionOptions {
  /** What `createProducer` returned. */
  readonly producer: { readonly store: Pick<RunStore, "conversations">; readonly conversations: { readonly tenant: string } };
  readonly conversation: string;
  /** Default: the producer's tenant, or `default`. */
  readonly tenant?: string;
  readonly clock?: Clock;
}

/** @throws FleetError INPUT_INVALID; its writes CONVERSATION_BUSY, CONVERSATION_FULL, INPUT_TOO_LARGE. */
export function createSession({
  producer,
  conversation,
  tenant = producer.conversations.tenant,
  clock = systemClock,
}: SessionOptions): Session {
  if (!conversationIdSchema.safeParse(conversation).success || !tenantSchema.safeParse(tenant).success) {
    throw new FleetError("INPUT_INVALID", "Expected letters, digits and . _ @ - only, in conversation and tenant.", { at: "conversation" });
  }
  const { conversations } = producer.store;
  const key = { tenant, id: conversation };
  const turnOf = (items: readonly AgentInputItem[]): ConversationTurn => ({
    v: 1,
    id: randomUUID(),
    type: "items",
    atMs: clock.nowMs(),
    contextTokens: 0,
    itemsJson: encodeJson(plain(items), { at: "items", maxBytes: LIMITS.stepBytes }),
  });
  /** False when the newest turn is another one by now. */
  const change = async (changed: Omit<ConversationChange, "changeId">): Promise<boolean> => {
    const reply = await conversations.change(key, { changeId: randomUUID(), ...changed });
    if (reply.status === "busy") throw busy(conversation, reply.runId);
    if (reply.status === "full") throw full(conversation);
    return reply.status === "changed";
  };
  return {
    getSessionId: async () => conversation,
    async getItems(limit) {
      const items = (await conversations.turns(key)).flatMap(itemsIn);
      return limit === undefined ? items : items.slice(Math.max(0, items.length - limit));
    },
    async addItems(items) {
      if (items.length > 0) await change({ keep: ALL, append: [turnOf(items)] });
    },
    async popItem() {
      for (;;) {
        const [newest] = await conversations.turns(key, 1);
        if (newest === undefined) return undefined;
        const items = itemsIn(newest);
        const popped = items.pop();
        const append = items.length === 0 ? [] : [turnOf(items)];
        if (await change({ keep: ALL, dropNewest: newest.id, append })) return popped;
      }
    },
    async clearSession() {
      await change({ keep: 0, append: [] });
    },
  };
}

const ALL = 1_000_000;

// Written by a run or by a session, both of which were given the SDK's own items.
const itemsIn = ({ itemsJson }: ConversationTurn): AgentInputItem[] => JSON.parse(itemsJson) as AgentInputItem[];

/** What the SDK holds as class instances or undefined fields is stored plain. */
const plain = (items: readonly AgentInputItem[]): unknown => JSON.parse(JSON.stringify(items));

const busy = (conversation: string, runId: string): FleetError =>
  new FleetError("CONVERSATION_BUSY", `Expected a conversation whose runs are over; run ${runId} of conversation ${conversation} is not.`, {
    at: conversation,
    remedy: "wait for the run, or submit to the fleet instead of running beside it",
  });

const full = (conversation: string): FleetError =>
  new FleetError(
    "CONVERSATION_FULL",
    `Expected conversation ${conversation} to hold at most ${LIMITS.conversationBytes} bytes; it would hold more.`,
    {
      at: conversation,
      remedy: `flotilla conversations trim ${conversation} --keep-turns 20`,
    },
  );
