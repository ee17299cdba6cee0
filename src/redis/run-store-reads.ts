/** Reads of runs, their transcripts and their events. */
import { z } from "zod";
import { runEventSchema } from "../protocol/events.ts";
import type { RunInfo } from "../protocol/run.ts";
import type { ListQuery, RunStore, StoredEvent } from "../protocol/run-store.ts";
import { failureGroup, indexMember } from "./keys.ts";
import { INFO_FIELDS, parseFields, parseJson, parseRecord } from "./record-parse.ts";
import { answered, explained, type StoreContext } from "./run-store-context.ts";

/** Sorts behind every run id. */
const AFTER_ALL_IDS = "~";

export function createReads(context: StoreContext): Pick<RunStore, "get" | "tenantOf" | "output" | "items" | "list" | "events"> {
  const { redis, keys } = context;
  return {
    get: async (runId) => (await readInfos(context, [runId]))[0],
    tenantOf: async (runId) => (await answered(redis.hget(keys.run(runId), "tenant"))) ?? undefined,
    async output(runId) {
      const json = await answered(redis.hget(keys.run(runId), "output"));
      return json === null ? undefined : parseJson(json);
    },
    async items(runId) {
      const from = Number((await answered(redis.hget(keys.run(runId), "itemsFrom"))) ?? 0);
      return answered(redis.lrange(keys.items(runId), from, -1));
    },
    list: (query) => list(context, query),
    async events(runId, afterId, limit) {
      return parseEvents(await answered(redis.xrange(keys.events(runId), `(${afterId}`, "+", "COUNT", limit)));
    },
  };
}

/** Runs that were swept between the two reads are left out, and others read in their place: a page that is not full is the last one. */
async function list(context: StoreContext, query: ListQuery): Promise<RunInfo[]> {
  const infos: RunInfo[] = [];
  for (let { before } = query; ; ) {
    const limit = query.limit - infos.length;
    const runIds = await listIds(context, { ...query, before, limit });
    infos.push(...(await readInfos(context, runIds)));
    if (runIds.length < limit || infos.length === query.limit) return infos;
    before = runIds.at(-1);
  }
}

async function listIds(
  { redis, keys }: StoreContext,
  { status: wanted, suspension, failure, tenant, before, limit }: ListQuery,
): Promise<string[]> {
  const status = failure === undefined ? (suspension ?? wanted) : failureGroup(failure.code, failure.agent);
  const newest = before === undefined ? `[${indexMember(tenant, status, AFTER_ALL_IDS)}` : `(${indexMember(tenant, status, before)}`;
  const oldest = `[${indexMember(tenant, status, "")}`;
  const found = await answered(redis.zrevrangebylex(keys.index(), newest, oldest, "LIMIT", 0, limit));
  return found.map((member) => member.slice(member.lastIndexOf("/") + 1));
}

async function readInfos({ redis, keys }: StoreContext, runIds: readonly string[]): Promise<RunInfo[]> {
  if (runIds.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const runId of runIds) {
    pipeline.hmget(keys.run(runId), ...INFO_FIELDS);
    pipeline.hvals(keys.intents(runId));
    pipeline.hvals(keys.approvals(runId));
    pipeline.hgetall(keys.decisions(runId));
  }
  const replies = ((await answered(pipeline.exec())) ?? []).map(([error, reply]) => {
    if (error !== null) throw explained(error);
    return reply;
  });
  return runIds.flatMap((_, index) => {
    const [fields, intents, approvals, decisions] = replies.slice(4 * index, 4 * index + 4);
    return parseRecord(parseFields(INFO_FIELDS, fields), intents, approvals, decisions) ?? [];
  });
}

const entriesSchema = z.array(z.tuple([z.string(), z.array(z.string())]));

const parseEvents = (reply: unknown): StoredEvent[] =>
  entriesSchema.parse(reply).map(([id, fields]) => ({ id, event: runEventSchema.parse(JSON.parse(fields[1] ?? "")) }));
