/** Puts new runs into Redis, and refuses them while there is still room for the running ones to end. */
import { z } from "zod";
import { LIMITS } from "../protocol/limits.ts";
import { MAX_CHILDREN } from "../protocol/origin.ts";
import { runStatusSchema } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { Seed } from "../protocol/seed.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import type { Keys } from "./keys.ts";
import { parseStrings, parseWakeJob } from "./record-parse.ts";
import { conversationKeysJson } from "./run-store-conversations.ts";
import {
  answered,
  explained,
  IDEM_NET_MS,
  JOURNAL_NET_MS,
  memoryFull,
  runCall,
  type ScriptArgs,
  type StoreContext,
} from "./run-store-context.ts";
import { runPipeline, runScript, type ScriptCall } from "./scripts.ts";

/** The share of maxmemory above which no run is taken in: the rest belongs to the runs that are there. */
const FULL_AT = 0.85;
const MEMORY_CHECK_EVERY_MS = 1_000;

export function createSubmits(context: StoreContext): Pick<RunStore, "submit" | "submitMany"> {
  const checkMemory = createMemoryCheck(context);
  return {
    async submit(submission) {
      await checkMemory();
      return parseSubmitReply(submission, await answered(runScript(context.redis, submitCall(context, submission))));
    },
    async submitMany(submissions) {
      const replies: SubmitReply[] = [];
      for (let from = 0; from < submissions.length; from += LIMITS.submitChunk) {
        await checkMemory();
        const chunk = submissions.slice(from, from + LIMITS.submitChunk);
        const answers = await answered(
          runPipeline(
            context.redis,
            chunk.map((submission) => submitCall(context, submission)),
          ),
        );
        for (const [index, submission] of chunk.entries()) replies.push(parseSubmitReply(submission, answers[index]));
      }
      return replies;
    },
  };
}

function submitCall(context: StoreContext, submission: Submission): ScriptCall {
  const { keys } = context;
  const { runId, tenant, idempotencyKey, conversation } = submission;
  const args = {
    agent: submission.agent,
    queue: submission.queue ?? "",
    tenant,
    priority: submission.priority,
    items: submission.itemsJson,
    context: submission.contextJson,
    metadata: submission.metadataJson,
    tags: submission.tags === undefined ? "" : JSON.stringify(submission.tags),
    settings: submission.settingsJson,
    idempotencyKey: idempotencyKey ?? "",
    inputHash: submission.inputHash,
    tools: submission.tools ?? "",
    model: submission.model ?? "",
    delayMs: submission.delayMs,
    deadlineMs: submission.deadlineMs,
    maxHops: submission.maxHops,
    idemTtlMs: Math.max(submission.deadlineMs, 0) + IDEM_NET_MS,
    ...(conversation === undefined
      ? {}
      : { conversation, conversationKeys: conversationKeysJson(context, tenant, conversation), maxWaiting: LIMITS.runsPerConversation }),
  };
  if (submission.seed !== undefined) return seededCall(keys, runId, args, submission.seed);
  return runCall(keys, "submit", runId, args, ...(idempotencyKey === undefined ? [] : [keys.idem(tenant, idempotencyKey)]));
}

/** Each seed is an argument of its own: Lua hands it on as it is, however long. */
function seededCall(keys: Keys, runId: string, args: ScriptArgs, seed: Seed): ScriptCall {
  const {
    origin,
    root,
    tools,
    model = "",
    hopBuild,
    conversationJson = "",
    entryAgent,
    turnsBefore,
    journal,
    intents,
    decisions,
    recordings,
  } = seed;
  const seeds = [
    ...[...journal].map(([key, value]) => [`seed journal ${key}`, value]),
    ...intents.map((intent) => [`seed intent ${intent.callId}`, JSON.stringify(intent)]),
    ...[...decisions].map(([callId, decision]) => [`seed decision ${callId}`, JSON.stringify(decision)]),
    ...recordings.map((recording, index) => [`seed recording ${index}`, JSON.stringify(recording)]),
  ];
  const told = { origin: JSON.stringify(origin), kind: origin.kind, source: origin.runId, hop: origin.hop, turns: origin.turn - 1 };
  const more = { root, tools, model, conversationJson, entryAgent, turnsBefore, journalNetMs: JOURNAL_NET_MS, maxChildren: MAX_CHILDREN };
  const build = hopBuild === undefined ? {} : { hopBuild: `${hopBuild.version}\n${hopBuild.fingerprint}` };
  const all = { ...args, ...build, ...told, ...more, ...Object.fromEntries(seeds) };
  return runCall(keys, "submit", runId, all, keys.journal(runId, origin.hop), keys.recordings(runId), keys.run(origin.runId));
}

const submitStatusSchema = z.enum(["created", "duplicate", "conflict", "conversation-full", "unknown-agent", "source-gone", "source-open"]);

function parseSubmitReply({ runId }: Submission, reply: unknown): SubmitReply {
  if (reply instanceof Error) throw explained(reply);
  const [status, first = "", second = ""] = parseStrings(reply);
  switch (submitStatusSchema.parse(status)) {
    case "created":
      return { status: "created", runId, wake: parseWakeJob(first), agentSeenAtMs: second === "" ? undefined : Number(second) };
    case "conversation-full":
      return { status: "conversation-full" };
    case "duplicate":
      return { status: "duplicate", runId: first };
    case "conflict":
      return { status: "conflict", runId: first };
    case "unknown-agent":
      return { status: "unknown-agent", known: parseStrings(reply).slice(1) };
    case "source-gone":
      return { status: "source-gone" };
    case "source-open":
      return { status: "source-open", as: runStatusSchema.parse(first) };
  }
}

/** Asks Redis for its memory at most once a second. A server without maxmemory is never full. */
function createMemoryCheck({ redis, clock }: StoreContext): () => Promise<void> {
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let full: { readonly used: number; readonly max: number } | undefined;
  return async () => {
    const nowMs = clock.nowMs();
    if (nowMs - checkedAtMs >= MEMORY_CHECK_EVERY_MS) {
      const info = await answered(redis.info("memory"));
      const read = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
      const [used, max] = [read("used_memory"), read("maxmemory")];
      full = max > 0 && used >= max * FULL_AT ? { used, max } : undefined;
      checkedAtMs = nowMs;
    }
    if (full === undefined) return;
    throw memoryFull(`Expected Redis to use less than ${FULL_AT * 100} % of its ${full.max} bytes; it uses ${full.used}.`);
  };
}
