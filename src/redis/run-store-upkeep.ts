/** Repair and removal of runs, and the registry of workers and agents. */
import { z } from "zod";
import { type AgentEntry, agentEntrySchema, type WorkerEntry, workerEntrySchema } from "../protocol/registry.ts";
import { prioritySchema, type WakeJob } from "../protocol/job.ts";
import { parseScopeId } from "../protocol/pause.ts";
import type { HeldRun } from "../protocol/attempt.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { indexMembersOf } from "./keys.ts";
import { parseWakeJob } from "./record-parse.ts";
import { answered, callForString, explained, retentionArg, runCall, type StoreContext } from "./run-store-context.ts";
import { runPipeline, runScript, type ScriptCall } from "./scripts.ts";

/** The longest time between two looks at a queued run; as in look.lua. */
const MAX_LOOK_MS = 600_000;
/** How long a worker that went away without a word stays listed. */
const FORGET_WORKER_AFTER_MS = 60 * 60 * 1_000;

type Upkeep = Pick<RunStore, "due" | "glance" | "look" | "takeBack" | "sweep" | "announce" | "withdraw" | "workers" | "agents">;

export function createUpkeep(context: StoreContext): Upkeep {
  const { redis, keys } = context;
  return {
    async due(limit) {
      const call = { name: "due", keys: [keys.dispatch(), keys.timers(), keys.resuming()], args: [limit] } as const;
      const [runIds, nextAtMs, resuming] = dueReplySchema.parse(await answered(runScript(redis, call)));
      return { runIds, nextAtMs: nextAtMs === "" ? undefined : Number(nextAtMs), resuming: resuming.map(parseScopeId) };
    },
    glance: (runIds) => glance(context, runIds),
    async look(runId, { retentionMs, maxDeaths }) {
      const args = { retentionMs: retentionArg(retentionMs), maxDeaths, stops: keys.stopsChannel() };
      return parseWakeJob(await callForString(context, "look", runId, args));
    },
    takeBack: (held, policy) => takeBack(context, held, policy),
    sweep: (limit) => sweep(context, limit),
    announce: (worker, agents) => announce(context, worker, agents),
    async withdraw(workerId) {
      await answered(redis.hdel(keys.workers(), workerId));
    },
    workers: async () => parseEntries(await answered(redis.hvals(keys.workers())), workerEntrySchema),
    agents: async () => parseEntries(await answered(redis.hvals(keys.agents())), agentEntrySchema),
  };
}

const dueReplySchema = z.tuple([z.array(z.string()), z.string(), z.array(z.string())]);
const glanceReplySchema = z.tuple([z.array(z.string()), z.array(z.string())]);

/** Sorts out the runs that only wait for their turn: most of a backlog. */
async function glance({ redis, keys }: StoreContext, runIds: readonly string[]): Promise<{ rest: string[]; waiting: WakeJob[] }> {
  if (runIds.length === 0) return { rest: [], waiting: [] };
  const records = runIds.map((runId) => keys.run(runId));
  const call = { name: "glance", keys: [keys.dispatch(), keys.retention(), ...records], args: [MAX_LOOK_MS, ...runIds] } as const;
  const [rest, flat] = glanceReplySchema.parse(await answered(runScript(redis, call)));
  const waiting: WakeJob[] = [];
  for (let at = 0; at < flat.length; at += 6) {
    const [runId = "", wake, agent = "", queue = "", priority, attempts] = flat.slice(at, at + 6);
    waiting.push({ runId, wake: Number(wake), agent, queue, priority: prioritySchema.parse(priority), continuation: Number(attempts) > 0 });
  }
  return { rest, waiting };
}

/** One script per run, in one round trip. The runs stand apart: one that Redis refuses is left to its lease. */
async function takeBack(
  { redis, keys }: StoreContext,
  held: readonly HeldRun[],
  { retentionMs, maxDeaths }: Parameters<RunStore["takeBack"]>[1],
): Promise<WakeJob[]> {
  if (held.length === 0) return [];
  const calls = held.map(({ runId, token }) =>
    runCall(keys, "take-back", runId, { token, retentionMs: retentionArg(retentionMs), maxDeaths }),
  );
  const replies = await answered(runPipeline(redis, calls));
  const refused = replies.find((reply) => reply instanceof Error);
  const wakes = replies.flatMap((reply) => (typeof reply === "string" ? (parseWakeJob(reply) ?? []) : []));
  if (refused !== undefined && wakes.length === 0) throw explained(refused);
  return wakes;
}

/** Redis's clock says what is due; the script checks each member again. */
async function sweep({ redis, keys }: StoreContext, limit: number): Promise<number> {
  const [seconds] = await answered(redis.time());
  const members = await answered(redis.zrangebyscore(keys.retention(), "-inf", (Number(seconds) + 1) * 1_000, "LIMIT", 0, limit));
  if (members.length === 0) return 0;
  const calls = members.map((member): ScriptCall => {
    const [runId = "", tenant = "", status = "", hop = "0", failure] = member.split("/");
    const journals = Array.from({ length: Number(hop) + 1 }, (_, index) => keys.journal(runId, index));
    const ofRun = [keys.run, keys.items, keys.intents, keys.approvals, keys.decisions, keys.events, keys.hops, keys.recordings].map((key) =>
      key(runId),
    );
    const index = indexMembersOf(runId, tenant, status, failure);
    return { name: "sweep", keys: [keys.retention(), keys.index(), ...ofRun, ...journals], args: [member, ...index] };
  });
  let deleted = 0;
  for (const reply of await answered(runPipeline(redis, calls))) {
    if (reply instanceof Error) throw explained(reply);
    deleted += z.int().parse(reply);
  }
  return deleted;
}

async function announce({ redis, keys }: StoreContext, worker: WorkerEntry, agents: readonly AgentEntry[]): Promise<void> {
  const known = await answered(redis.hvals(keys.workers()));
  const forgotten = parseEntries(known, workerEntrySchema).filter((entry) => entry.seenAtMs < worker.seenAtMs - FORGET_WORKER_AFTER_MS);
  const pipeline = redis.pipeline();
  if (forgotten.length > 0) pipeline.hdel(keys.workers(), ...forgotten.map((entry) => entry.workerId));
  pipeline.hset(keys.workers(), worker.workerId, JSON.stringify(worker));
  for (const agent of agents) pipeline.hset(keys.agents(), agent.name, JSON.stringify(agent));
  for (const [error] of (await answered(pipeline.exec())) ?? []) if (error !== null) throw explained(error);
}

const parseEntries = <T>(values: readonly string[], schema: z.ZodType<T>): T[] => values.map((value) => schema.parse(JSON.parse(value)));
