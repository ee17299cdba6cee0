/** Conversations in memory. It mirrors `src/redis/scripts/conversation.lua`. */
import type { Clock } from "../clock.ts";
import {
  type ConversationChange,
  type ConversationInfo,
  type ConversationReply,
  type ConversationStep,
  type ConversationStore,
  type ConversationTurn,
} from "../protocol/conversation.ts";
import { LIMITS } from "../protocol/limits.ts";

export interface MemoryConversation {
  readonly tenant: string;
  readonly id: string;
  queue: string[];
  turns: ConversationTurn[];
  readonly createdAtMs: number;
  usedAtMs: number;
  changeId: string | undefined;
}

/** The part of the world that conversations need. */
interface World {
  readonly clock: Clock;
  readonly conversations: Map<string, MemoryConversation>;
  readonly conversationKeepMs: number;
}

const keyOf = (tenant: string, id: string): string => `${tenant} ${id}`;

export function conversationOf(
  { clock, conversations, conversationKeepMs }: World,
  tenant: string,
  id: string,
): MemoryConversation | undefined {
  const found = conversations.get(keyOf(tenant, id));
  if (found === undefined || found.usedAtMs + conversationKeepMs > clock.nowMs()) return found;
  conversations.delete(keyOf(tenant, id));
  return undefined;
}

export function useConversation(world: World, tenant: string, id: string): MemoryConversation {
  const nowMs = world.clock.nowMs();
  const fresh = { tenant, id, queue: [], turns: [], createdAtMs: nowMs, usedAtMs: nowMs, changeId: undefined };
  const conversation = conversationOf(world, tenant, id) ?? fresh;
  conversation.usedAtMs = nowMs;
  world.conversations.set(keyOf(tenant, id), conversation);
  return conversation;
}

export function keepTurn(world: World, { tenant, id, turn, drop, summary }: ConversationStep): void {
  const conversation = useConversation(world, tenant, id);
  conversation.turns = structuredClone([...(summary === undefined ? [] : [summary]), ...conversation.turns.slice(drop), turn]);
}

export function createMemoryConversations(world: World): ConversationStore {
  return {
    async list({ tenant, limit, before }) {
      const all = [...world.conversations.values()]
        .filter((conversation) => conversation.tenant === tenant && conversationOf(world, tenant, conversation.id) !== undefined)
        .sort((a, b) => b.usedAtMs - a.usedAtMs || (a.id < b.id ? 1 : -1));
      const behind = before === undefined ? -1 : all.findIndex(({ id }) => id === before);
      if (before !== undefined && behind === -1) return [];
      return all.slice(behind + 1, behind + 1 + limit).map(infoOf);
    },
    async get({ tenant, id }) {
      const found = conversationOf(world, tenant, id);
      return found === undefined ? undefined : infoOf(found);
    },
    async turns({ tenant, id }, newest) {
      const turns = conversationOf(world, tenant, id)?.turns ?? [];
      return structuredClone(newest === undefined ? turns : turns.slice(Math.max(0, turns.length - newest)));
    },
    change: async ({ tenant, id }, change) => changeConversation(world, tenant, id, change),
    async remove({ tenant, id }) {
      const found = conversationOf(world, tenant, id);
      const [runId] = found?.queue ?? [];
      if (runId !== undefined) return { status: "busy", runId };
      return { status: world.conversations.delete(keyOf(tenant, id)) ? "removed" : "unknown" };
    },
  };
}

function changeConversation(world: World, tenant: string, id: string, change: ConversationChange): ConversationReply {
  const found = conversationOf(world, tenant, id);
  if (found?.changeId === change.changeId) return { status: "changed" };
  const [runId] = found?.queue ?? [];
  if (runId !== undefined) return { status: "busy", runId };
  if (change.isNew === true && found !== undefined) return { status: "moved" };
  if (change.dropNewest !== undefined && found?.turns.at(-1)?.id !== change.dropNewest) return { status: "moved" };
  const stored = found?.turns ?? [];
  const kept = stored.slice(Math.max(0, stored.length - change.keep));
  const turns = [...(change.dropNewest === undefined ? kept : kept.slice(0, -1)), ...change.append];
  if (change.append.length > 0 && bytesOf(turns) > LIMITS.conversationBytes) return { status: "full" };
  const conversation = useConversation(world, tenant, id);
  conversation.changeId = change.changeId;
  conversation.turns = structuredClone(turns);
  return { status: "changed" };
}

const bytesOf = (turns: readonly ConversationTurn[]): number =>
  turns.reduce((sum, turn) => sum + Buffer.byteLength(JSON.stringify(turn)), 0);

const infoOf = ({ tenant, id, turns, queue, createdAtMs, usedAtMs }: MemoryConversation): ConversationInfo => ({
  tenant,
  id,
  turns: turns.length,
  bytes: bytesOf(turns),
  runs: [...queue],
  createdAtMs,
  usedAtMs,
});
