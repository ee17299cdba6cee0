/** The one place where a stored run becomes typed values: everything read from Redis is parsed on the way out. */
import { z } from "zod";
import { runIdSchema } from "../protocol/ids.ts";
import { prioritySchema, type WakeJob } from "../protocol/job.ts";
import { jsonSchema } from "../protocol/json.ts";
import { originSchema, toolModeSchema } from "../protocol/origin.ts";
import {
  type Approval,
  approvalSchema,
  type Decided,
  decidedSchema,
  type Intent,
  intentSchema,
  type Pause,
  pauseSchema,
  type RunInfo,
  runErrorSchema,
  runInfoSchema,
  standingDecisions,
} from "../protocol/run.ts";
import type { AgentBuild, Attempt } from "../protocol/attempt.ts";

/** A hash as Redis gives it. */
export type Fields = Readonly<Record<string, string>>;

/** What `get` and `list` read: context, settings and output are large and stay where they are. */
export const INFO_FIELDS = [
  "v",
  "runId",
  "status",
  "suspension",
  "pause",
  "parkedBy",
  "tenant",
  "agent",
  "entryAgent",
  "recentAgents",
  "queue",
  "priority",
  "idempotencyKey",
  "conversation",
  "metadata",
  "tags",
  "hop",
  "wake",
  "attempts",
  "retries",
  "deaths",
  "turns",
  "requests",
  "inputTokens",
  "cachedInputTokens",
  "outputTokens",
  "reasoningTokens",
  "cacheWriteInputTokens",
  "pricedRequests",
  "costMicroUsd",
  "createdAtMs",
  "updatedAtMs",
  "startedAtMs",
  "finishedAtMs",
  "deadlineAtMs",
  "notBeforeMs",
  "cancelRequested",
  "worker",
  "error",
  "origin",
  "tools",
  "model",
  "continuedAs",
  "children",
  "build",
  "divergences",
  "announceAtMs",
] as const;

const stringsSchema = z.array(z.string());
export const parseStrings = (reply: unknown): string[] => stringsSchema.parse(reply);

/** `[name, value, name, value…]` as an object. */
export function parseFlat(reply: unknown): Record<string, string> {
  const list = parseStrings(reply);
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) fields[list[index] ?? ""] = list[index + 1] ?? "";
  return fields;
}

/** The answer of HMGET, without the absent fields. */
export function parseFields(names: readonly string[], reply: unknown): Record<string, string> {
  const values = nullableTextsSchema.parse(reply);
  const fields: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const value = values[index];
    if (typeof value === "string") fields[name] = value;
  }
  return fields;
}

/** The record of a run for people. `fields` without a status means that there is none. */
export function parseRecord(fields: Fields, intents: unknown, approvals: unknown, decisions: unknown): RunInfo | undefined {
  if (fields["status"] === undefined) return undefined;
  const number = (name: string): number => Number(fields[name] ?? 0);
  const { suspension, idempotencyKey, conversation, worker, error, pause = fields["parkedBy"] } = fields;
  const { recentAgents, origin, tags, tools, model, continuedAs, children, build } = fields;
  const times = ["startedAtMs", "finishedAtMs", "notBeforeMs", "announceAtMs"]
    .filter((name) => fields[name] !== undefined)
    .map((name) => [name, number(name)]);
  return runInfoSchema.parse({
    v: number("v"),
    runId: fields["runId"],
    status: fields["status"],
    ...(suspension === undefined ? {} : { suspension }),
    ...(pause === undefined ? {} : { pause: parsePause(pause) }),
    tenant: fields["tenant"],
    agent: fields["agent"],
    entryAgent: fields["entryAgent"],
    ...(recentAgents === undefined ? {} : { recentAgents: JSON.parse(recentAgents) }),
    queue: fields["queue"],
    priority: fields["priority"],
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(conversation === undefined ? {} : { conversation }),
    metadata: JSON.parse(fields["metadata"] ?? "{}"),
    ...(tags === undefined ? {} : { tags: JSON.parse(tags) }),
    hop: number("hop"),
    wake: number("wake"),
    attempts: number("attempts"),
    retries: number("retries"),
    deaths: number("deaths"),
    turns: number("turns"),
    usage: parseUsage(fields),
    createdAtMs: number("createdAtMs"),
    updatedAtMs: number("updatedAtMs"),
    deadlineAtMs: number("deadlineAtMs"),
    ...Object.fromEntries(times),
    cancelRequested: fields["cancelRequested"] !== undefined,
    ...(worker === undefined ? {} : { worker }),
    openIntents: parseIntents(intents),
    approvals: parseApprovals(approvals),
    decisions: parseDecisions(hashSchema.parse(decisions)),
    ...(error === undefined ? {} : { error: runErrorSchema.parse(JSON.parse(error)) }),
    ...(build === undefined ? {} : { build: parseBuild(build) }),
    ...(fields["divergences"] === undefined ? {} : { divergences: number("divergences") }),
    ...(origin === undefined ? {} : { origin: JSON.parse(origin) }),
    ...(tools === undefined || tools === "live" ? {} : { tools }),
    ...(model === undefined ? {} : { model }),
    ...(continuedAs === undefined ? {} : { continuedAs }),
    ...(children === undefined ? {} : { children: parseChildren(children) }),
  });
}

/** Stored as `<version>\\n<fingerprint>`. */
export function parseBuild(stored: string): AgentBuild {
  const [version = "", fingerprint = ""] = stored.split("\n");
  return { version, fingerprint };
}

const parseChildren = (stored: string): unknown[] =>
  stored.split(" ").map((name) => {
    const [kind, runId] = name.split("/");
    return { kind, runId };
  });

// Made once: a schema costs more to make than to use, and these are used for every attempt.
const hashSchema = z.record(z.string(), z.string());
const nullableTextsSchema = z.array(z.string().nullable());
const countSchema = z.coerce.number().int();
const toldSchema = z.object({
  runId: z.string(),
  wake: countSchema,
  attempts: countSchema,
  hop: countSchema,
  maxHops: countSchema,
  agent: z.string(),
  entryAgent: z.string(),
  tenant: z.string(),
  queue: z.string(),
  priority: prioritySchema,
  retries: countSchema,
  resamples: countSchema,
  misplaced: countSchema.default(0),
  turnsBefore: countSchema,
  deadlineAtMs: countSchema,
  journaled: countSchema.optional(),
  recentAgents: z.string().default("[]"),
  tags: z.string().default("[]"),
  conversation: z.string().optional(),
  itemsFrom: countSchema.default(0),
  origin: z.string().optional(),
  root: z.string().optional(),
  tools: toolModeSchema.default("live"),
  model: z.string().optional(),
  hopBuild: z.string().optional(),
});
const begunSchema = z.tuple([
  z.literal("begun"),
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.array(z.string()),
  z.array(z.string()),
  z.string(),
  z.array(z.string()).optional(),
]);

/** What `begin` tells an attempt; without the transcript where it is long. */
export function parseBegun(
  token: string,
  reply: unknown,
): { readonly attempt: Attempt; readonly itemsFrom: number; readonly itemsJson: string[] | undefined } {
  const [, toldJson, contextJson, settingsJson, metadataJson, intents, decisions, conversationJson, itemsJson] = begunSchema.parse(reply);
  const { attempts, journaled, conversation, recentAgents, itemsFrom, origin, root, model, hopBuild, tags, ...told } = toldSchema.parse(
    JSON.parse(toldJson),
  );
  const stored = {
    contextJson,
    settingsJson,
    metadataJson,
    openIntents: parseIntents(intents),
    decisions: standingDecisions(parseDecisions(parseFlat(decisions))),
  };
  const noted = {
    recentAgents: parseStrings(JSON.parse(recentAgents)),
    tags: parseStrings(JSON.parse(tags)),
    ...(conversation === undefined ? {} : { conversation }),
    ...(conversationJson === "" ? {} : { conversationJson }),
    ...(origin === undefined ? {} : { origin: originSchema.parse(JSON.parse(origin)) }),
    root: root ?? told.runId,
    ...(model === undefined ? {} : { model }),
    ...(hopBuild === undefined ? {} : { hopBuild: parseBuild(hopBuild) }),
  };
  return { attempt: { ...told, token, attempt: attempts, hasJournal: journaled === told.hop, ...stored, ...noted }, itemsFrom, itemsJson };
}

const wakeJobSchema = z.object({
  runId: runIdSchema,
  wake: z.int().min(0),
  agent: z.string(),
  queue: z.string(),
  priority: prioritySchema,
  continuation: z.boolean(),
});

/** A wake as scripts write it; the empty text means none. */
export const parseWakeJob = (json: string): WakeJob | undefined => (json === "" ? undefined : wakeJobSchema.parse(JSON.parse(json)));

export const optionalWakeJobSchema = wakeJobSchema.optional();

export const parseJson = (json: string): z.infer<typeof jsonSchema> => jsonSchema.parse(JSON.parse(json));

export const parsePause = (json: string): Pause => pauseSchema.parse(JSON.parse(json));

const parseUsage = (fields: Fields): RunInfo["usage"] => ({
  requests: Number(fields["requests"] ?? 0),
  inputTokens: Number(fields["inputTokens"] ?? 0),
  cachedInputTokens: Number(fields["cachedInputTokens"] ?? 0),
  outputTokens: Number(fields["outputTokens"] ?? 0),
  reasoningTokens: Number(fields["reasoningTokens"] ?? 0),
  ...(fields["cacheWriteInputTokens"] === undefined ? {} : { cacheWriteInputTokens: Number(fields["cacheWriteInputTokens"]) }),
  // A cost of nothing is known where a priced request was counted, and unknown where none was.
  ...(fields["pricedRequests"] === undefined
    ? {}
    : { pricedRequests: Number(fields["pricedRequests"]), costMicroUsd: Number(fields["costMicroUsd"] ?? 0) }),
});

/** A stored intent is `<token>\n<JSON>`: the token of the attempt that opened it stands in front. */
const parseIntents = (reply: unknown): Intent[] =>
  parseStrings(reply)
    .map((stored) => intentSchema.parse(JSON.parse(stored.slice(stored.indexOf("\n") + 1))))
    .sort((a, b) => a.openedAtMs - b.openedAtMs);

const parseApprovals = (reply: unknown): Approval[] =>
  parseStrings(reply)
    .map((stored) => approvalSchema.parse(JSON.parse(stored)))
    .sort((a, b) => (a.requestedAtMs ?? 0) - (b.requestedAtMs ?? 0) || a.callId.localeCompare(b.callId, "en", { numeric: true }));

/** Minor 0 kept no more than the word and its message, under the call's id; the client's own id of a decision is the store's affair. */
const storedDecisionSchema = decidedSchema
  .extend({
    callId: z.string().optional(),
    tool: z.string().default(""),
    agent: z.string().default(""),
    atMs: z.int().default(0),
    message: z.string().optional(),
    id: z.string().optional(),
  })
  .transform(({ id: _id, message, ...decided }) => ({ ...(message === undefined ? {} : { reason: message }), ...decided }));

/** Oldest first; of one millisecond, refused ones in the order of their numbers. */
export const parseDecisions = (fields: Fields): Decided[] =>
  Object.entries(fields)
    .sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
    .map(([field, stored]): Decided => {
      const { callId = field, ...decided } = storedDecisionSchema.parse(JSON.parse(stored));
      return { callId, ...decided };
    })
    .sort((a, b) => a.atMs - b.atMs);
