/** Reads for second chances: a run as one of its hops found it, and failed runs by what made them fail. */
import { z } from "zod";
import type { FailureGroup, FailureQuery, RunStore, SnapshotReply } from "../protocol/run-store.ts";
import { indexMember, parseFailureGroup } from "./keys.ts";
import { parseFields, parseRecord, parseStrings } from "./record-parse.ts";
import { parseSnapshot, SNAPSHOT_FIELDS } from "./source-parse.ts";
import { answered, explained, type StoreContext } from "./run-store-context.ts";

/** Sorts behind every run id. */
const AFTER_ALL_IDS = "~";

export function createSources(context: StoreContext, get: RunStore["get"]): Pick<RunStore, "snapshot" | "failures"> {
  return {
    async snapshot(runId, wanted) {
      for (;;) {
        const hop = wanted ?? Number((await answered(context.redis.hget(context.keys.run(runId), "hop"))) ?? 0);
        const reply = await readSnapshot(context, runId, hop);
        const isPresent = reply.status !== "found" || reply.snapshot.info.hop === hop;
        if (wanted !== undefined || isPresent) return reply;
      }
    },
    failures: (query) => readFailures(context, get, query),
  };
}

const hashSchema = z.record(z.string(), z.string());

/** In one transaction, so that a run that goes on meanwhile is not read half before and half after. */
async function readSnapshot({ redis, keys }: StoreContext, runId: string, hop: number): Promise<SnapshotReply> {
  const replies = await answered(
    redis
      .multi()
      .hmget(keys.run(runId), ...SNAPSHOT_FIELDS)
      .hvals(keys.intents(runId))
      .hvals(keys.approvals(runId))
      .lrange(keys.items(runId), 0, -1)
      .hgetall(keys.hops(runId))
      .hgetall(keys.journal(runId, hop))
      .hgetall(keys.decisions(runId))
      .exec(),
  );
  const [record, intents, approvals, items, hops, journal, decisions] = (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw explained(error);
    return reply;
  });
  const fields = parseFields(SNAPSHOT_FIELDS, record);
  const info = parseRecord(fields, intents, approvals, decisions);
  if (info === undefined) return { status: "unknown" };
  const parts = { fields, items: parseStrings(items), hops: hashSchema.parse(hops), journal: hashSchema.parse(journal) };
  const snapshot = parseSnapshot(info, hop, { ...parts, decisions: hashSchema.parse(decisions) });
  return snapshot === undefined ? { status: "unrecorded" } : { status: "found", snapshot };
}

/** Skips from one reason to the next: what it costs grows with the reasons, not with the runs. */
async function readFailures(context: StoreContext, get: RunStore["get"], { tenant, agent, code }: FailureQuery): Promise<FailureGroup[]> {
  const { redis, keys } = context;
  const head = code === undefined ? "failed:" : `failed:${code}:`;
  const end = `(${indexMember(tenant, `${head.slice(0, -1)};`, "")}`;
  const groups: FailureGroup[] = [];
  for (let from = `[${indexMember(tenant, head, "").slice(0, -1)}`; ; ) {
    const [member] = await answered(redis.zrangebylex(keys.index(), from, end, "LIMIT", 0, 1));
    if (member === undefined) return groups;
    const group = member.slice(member.indexOf("/") + 1, member.lastIndexOf("/"));
    from = `(${indexMember(tenant, group, AFTER_ALL_IDS)}`;
    if (agent !== undefined && parseFailureGroup(group).agent !== agent) continue;
    const found = await readGroup(context, get, tenant, group);
    if (found !== undefined) groups.push(found);
  }
}

async function readGroup(
  { redis, keys }: StoreContext,
  get: RunStore["get"],
  tenant: string | undefined,
  group: string,
): Promise<FailureGroup | undefined> {
  const [oldest, newest] = [`[${indexMember(tenant, group, "")}`, `[${indexMember(tenant, group, AFTER_ALL_IDS)}`];
  const count = await answered(redis.zlexcount(keys.index(), oldest, newest));
  const [first = ""] = await answered(redis.zrangebylex(keys.index(), oldest, newest, "LIMIT", 0, 1));
  const [last = ""] = await answered(redis.zrevrangebylex(keys.index(), newest, oldest, "LIMIT", 0, 1));
  const [firstInfo, lastInfo] = await Promise.all([first, last].map((member) => get(member.slice(member.lastIndexOf("/") + 1))));
  // Deleted or retried meanwhile.
  if (firstInfo === undefined || lastInfo === undefined) return undefined;
  const failedAtMs = ({ finishedAtMs, updatedAtMs }: typeof firstInfo): number => finishedAtMs ?? updatedAtMs;
  return {
    ...parseFailureGroup(group),
    count,
    newest: lastInfo.runId,
    firstAtMs: failedAtMs(firstInfo),
    lastAtMs: failedAtMs(lastInfo),
  };
}
