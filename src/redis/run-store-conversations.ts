/** Conversations as people and sessions reach them. Runs reach them through their own scripts. */
import { z } from "zod";
import {
  type ConversationChange,
  type ConversationInfo,
  type ConversationKey,
  type ConversationQuery,
  type ConversationStore,
  type ConversationTurn,
  conversationTurnSchema,
} from "../protocol/conversation.ts";
import { LIMITS } from "../protocol/limits.ts";
import { parseStrings } from "./record-parse.ts";
import { answered, explained, type StoreContext } from "./run-store-context.ts";
import { runScript } from "./scripts.ts";

export function createConversations(context: StoreContext): ConversationStore {
  return {
    list: (query) => list(context, query),
    get: async (key) => (await readInfos(context, key.tenant, [key.id]))[0],
    turns: (key, newest) => readTurns(context, key, newest),
    async change(key, change) {
      const [status, first = ""] = await send(context, key, change.changeId, changeArgs(change));
      return status === "busy" ? { status, runId: first } : { status: z.enum(["changed", "moved", "full"]).parse(status) };
    },
    async remove(key) {
      const [status, first = ""] = await send(context, key, "", ["remove"]);
      return status === "busy" ? { status, runId: first } : { status: z.enum(["removed", "unknown"]).parse(status) };
    },
  };
}

async function send(
  { redis, keys, conversationKeepMs }: StoreContext,
  { tenant, id }: ConversationKey,
  changeId: string,
  args: readonly (string | number)[],
): Promise<string[]> {
  const named = [keys.conversation, keys.conversationQueue, keys.conversationTurns].map((key) => key(tenant, id));
  const call = {
    name: "conversation",
    keys: [...named, keys.conversations(tenant)],
    args: [id, changeId, conversationKeepMs, ...args],
  } as const;
  return parseStrings(await answered(runScript(redis, call)));
}

/** What `moves.lua` reads from the record of a run: names are built here, never in Lua. */
export const conversationKeysJson = ({ keys, conversationKeepMs: keepMs }: StoreContext, tenant: string, id: string): string =>
  JSON.stringify({
    id,
    record: keys.conversation(tenant, id),
    queue: keys.conversationQueue(tenant, id),
    turns: keys.conversationTurns(tenant, id),
    index: keys.conversations(tenant),
    keepMs,
  });

const changeArgs = ({ keep, dropNewest = "", append, isNew }: ConversationChange): (string | number)[] => [
  "change",
  keep,
  dropNewest,
  isNew === true ? "1" : "",
  LIMITS.conversationBytes,
  ...append.map((turn) => JSON.stringify(turn)),
];

export async function readTurns(
  { redis, keys }: StoreContext,
  { tenant, id }: ConversationKey,
  newest?: number,
): Promise<ConversationTurn[]> {
  if (newest === 0) return [];
  const stored = await answered(redis.lrange(keys.conversationTurns(tenant, id), newest === undefined ? 0 : -newest, -1));
  return stored.map((json) => conversationTurnSchema.parse(JSON.parse(json)));
}

async function list(context: StoreContext, { tenant, limit, before }: ConversationQuery): Promise<ConversationInfo[]> {
  const { redis, keys } = context;
  const index = keys.conversations(tenant);
  const behind = before === undefined ? -1 : await answered(redis.zrevrank(index, before));
  // Deleted since its page was read: nobody knows what stood behind it.
  if (behind === null) return [];
  const infos: ConversationInfo[] = [];
  for (let from = behind + 1; ; ) {
    const wanted = limit - infos.length;
    const ids = await answered(redis.zrevrange(index, from, from + wanted - 1));
    infos.push(...(await readInfos(context, tenant, ids)));
    if (ids.length < wanted || infos.length === limit) return infos;
    from += ids.length;
  }
}

const infoSchema = z.tuple([z.array(z.string().nullable()), z.array(z.string()), z.int(), z.string().nullable()]);

/** One that lapsed is left out. */
async function readInfos({ redis, keys }: StoreContext, tenant: string, ids: readonly string[]): Promise<ConversationInfo[]> {
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) {
    pipeline.hmget(keys.conversation(tenant, id), "createdAtMs", "bytes");
    pipeline.lrange(keys.conversationQueue(tenant, id), 0, LIMITS.runsPerConversation);
    pipeline.llen(keys.conversationTurns(tenant, id));
    pipeline.zscore(keys.conversations(tenant), id);
  }
  const replies = ((await answered(pipeline.exec())) ?? []).map(([error, reply]) => {
    if (error !== null) throw explained(error);
    return reply;
  });
  return ids.flatMap((id, index) => {
    const [[createdAtMs = null, bytes = null], runs, turns, usedAtMs] = infoSchema.parse(replies.slice(4 * index, 4 * index + 4));
    return createdAtMs === null
      ? []
      : [{ tenant, id, turns, bytes: Number(bytes ?? 0), runs, createdAtMs: Number(createdAtMs), usedAtMs: Number(usedAtMs) }];
  });
}
