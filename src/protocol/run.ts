/** What a run is to the outside: its states, its record and its result. */
import { z } from "zod";
import { agentNameSchema, conversationIdSchema, idempotencyKeySchema, queueNameSchema, runIdSchema, tenantSchema } from "./ids.ts";
import { prioritySchema } from "./job.ts";
import { jsonSchema } from "./json.ts";
import { LIMITS } from "./limits.ts";
import { childSchema, originSchema, toolModeSchema } from "./origin.ts";

export const FINAL_STATUSES = ["completed", "failed", "blocked", "refused", "cancelled", "expired"] as const;
export const LIVE_STATUSES = ["queued", "running", "suspended", "paused"] as const;
export const runStatusSchema = z.enum([...LIVE_STATUSES, ...FINAL_STATUSES]);
export type RunStatus = z.infer<typeof runStatusSchema>;
export type FinalStatus = (typeof FINAL_STATUSES)[number];

export const isFinal = (status: RunStatus): status is FinalStatus => FINAL_STATUSES.some((final) => final === status);

/** Why a run holds no worker and waits. `lane`: the provider asked for time. `conversation`: an earlier run of it is not over. */
export const suspensionSchema = z.enum(["approval", "lane", "effect-unknown", "replay-diverged", "loop", "conversation"]);
export type Suspension = z.infer<typeof suspensionSchema>;

export const usageSchema = z.strictObject({
  requests: z.int().min(0),
  inputTokens: z.int().min(0),
  cachedInputTokens: z.int().min(0),
  outputTokens: z.int().min(0),
  reasoningTokens: z.int().min(0),
  /** Input that was written to a prompt cache, where the provider tells. */
  cacheWriteInputTokens: z.int().min(0).optional(),
  /** Of how many requests the cost is known, and what they cost together. The whole cost is known only when it is all of them. */
  pricedRequests: z.int().min(0).optional(),
  costMicroUsd: z.int().min(0).optional(),
});
export type Usage = z.infer<typeof usageSchema>;
export const NO_USAGE: Usage = { requests: 0, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 };

export const addUsage = (a: Usage, b: Usage): Usage => {
  const cacheWrites = addKnown(a.cacheWriteInputTokens, b.cacheWriteInputTokens);
  const priced = addKnown(a.pricedRequests, b.pricedRequests);
  return {
    requests: a.requests + b.requests,
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    ...(cacheWrites === undefined ? {} : { cacheWriteInputTokens: cacheWrites }),
    ...(priced === undefined ? {} : { pricedRequests: priced, costMicroUsd: (a.costMicroUsd ?? 0) + (b.costMicroUsd ?? 0) }),
  };
};

const addKnown = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);

/** A tool call whose intent is recorded and whose result is not: nobody knows whether its effect happened. */
export const intentSchema = z.strictObject({
  callId: z.string().min(1),
  tool: z.string().min(1),
  agent: agentNameSchema,
  hop: z.int().min(0),
  /** The arguments as the model gave them, cut for reading. */
  arguments: z.string(),
  openedAtMs: z.int(),
});
export type Intent = z.infer<typeof intentSchema>;

/** A tool call that waits for a person before it runs. */
export const approvalSchema = z.strictObject({
  callId: z.string().min(1),
  tool: z.string().min(1),
  agent: z.string(),
  /** As the model gave them; cut only where they are longer than `LIMITS.approvalArgumentsChars`. */
  arguments: z.string(),
  /** JSON Schema of the arguments, as text: what edited arguments must keep to. Absent where the tool has none, or a very long one. */
  parametersJson: z.string().optional(),
  /** How long a person has, and what follows when nobody decided. Absent: as long as the run lives. */
  withinMs: z.int().positive().optional(),
  onTimeout: z.enum(["reject", "fail"]).optional(),
  /** By the store's clock, stamped when the question is first parked: a decision that is refused does not give more time. */
  requestedAtMs: z.int().optional(),
  deadlineAtMs: z.int().optional(),
});
export type Approval = z.infer<typeof approvalSchema>;

/** An approval as an event tells it: without the schema, which stands in the record. */
export const toldApproval = ({ parametersJson: _schema, ...told }: Approval): Approval => told;

/** An open question with the run it belongs to. */
export interface ApprovalRequest extends Approval {
  readonly runId: string;
  readonly tenant: string;
}

/** What a person says about a tool call that waits. */
export const decisionSchema = z.strictObject({
  approve: z.boolean(),
  /** Who decides. */
  by: z.string().min(1).max(LIMITS.personChars).optional(),
  /** Why. The model is told it where the call is rejected. */
  reason: z.string().max(LIMITS.reasonChars).optional(),
  /** Approved with these arguments, as JSON text, in place of the model's. */
  arguments: z.string().max(LIMITS.approvalArgumentsChars).optional(),
  /** Stands for every later call of the tool in this run. */
  always: z.literal(true).optional(),
});
export type Decision = z.infer<typeof decisionSchema>;

/** What a decision says, in the record and in events: sealed texts are longer than those that a person may write. */
export const decisionMembers = {
  approve: z.boolean(),
  by: z.string().optional(),
  reason: z.string().optional(),
  /** The arguments the call runs with, where they are not the model's. */
  arguments: z.string().optional(),
  always: z.literal(true).optional(),
  /** Nobody decided in time: the tool's policy did. */
  timedOut: z.literal(true).optional(),
};

/** A decision as it is kept with the run, write-once. */
export const decidedSchema = z.strictObject({
  callId: z.string(),
  /** Empty where a person let a loop go on; `callId` is the loop's then. */
  tool: z.string(),
  agent: z.string(),
  /** When the call was put to people, and when it was decided. */
  requestedAtMs: z.int().optional(),
  atMs: z.int(),
  ...decisionMembers,
  /** A worker did not accept it, and the call waits again: who said it may not decide this, or the arguments are not the tool's. */
  refused: z.strictObject({ atMs: z.int(), why: z.string() }).optional(),
});
export type Decided = z.infer<typeof decidedSchema>;

/** By call id, without those that were refused. */
export const standingDecisions = (decisions: readonly Decided[]): Map<string, Decided> =>
  new Map(decisions.filter(({ refused }) => refused === undefined).map((decided) => [decided.callId, decided]));

/** Where a guardrail stands: before the agent's input, behind its output, around a tool's call. */
export const guardrailKindSchema = z.enum(["input", "output", "tool-input", "tool-output"]);
export type GuardrailKind = z.infer<typeof guardrailKindSchema>;

/** The guardrail that blocked a run. */
export const trippedGuardrailSchema = z.object({
  name: z.string(),
  kind: guardrailKindSchema,
  /** What the guardrail says it found, its `outputInfo`: as JSON, or as cut text where it is larger than its limit. */
  info: jsonSchema.optional(),
});
export type TrippedGuardrail = z.infer<typeof trippedGuardrailSchema>;

// Not strict: a newer release may say more of an error than this one reads.
export const runErrorSchema = z.object({
  code: z.string().min(1),
  message: z.string(),
  /** What the run had produced when it ended, for reading; only where there is something. */
  answer: z.string().optional(),
  /** Only of blocked runs. */
  guardrail: trippedGuardrailSchema.optional(),
});
export type RunErrorInfo = z.infer<typeof runErrorSchema>;

/** Who paused a run, its agent or its tenant, and why. As it is stored: a sealed reason is longer than the text that a person may write. */
export const pauseSchema = z.strictObject({
  scope: z.enum(["run", "agent", "tenant"]),
  by: z.string(),
  reason: z.string().optional(),
  atMs: z.int(),
});
export type Pause = z.infer<typeof pauseSchema>;

/** A run that goes round in circles. */
export const loopSchema = z.strictObject({
  /** Where it was noticed; what a person says of it is kept under this. */
  id: z.string(),
  kind: z.enum(["calls", "handoffs"]),
  /** The tools or agents of one round. */
  cycle: z.array(z.string()),
  /** So many rounds were allowed. */
  rounds: z.int(),
});
export type Loop = z.infer<typeof loopSchema>;

/** The record of a run, as `status()`, `flotilla runs show --json` and the list give it. Version 1. */
export const runInfoSchema = z.strictObject({
  v: z.literal(1),
  runId: runIdSchema,
  status: runStatusSchema,
  /** Only while suspended. */
  suspension: suspensionSchema.optional(),
  /** Who holds the run back: while it is paused, and before while it finishes its step or waits for a person. */
  pause: pauseSchema.optional(),
  tenant: tenantSchema,
  /** The agent that has the run now, or ended it. */
  agent: agentNameSchema,
  entryAgent: agentNameSchema,
  /** The agents that had the run before, oldest first; the latest 32. Only after a handoff. */
  recentAgents: z.array(agentNameSchema).optional(),
  queue: queueNameSchema,
  priority: prioritySchema,
  idempotencyKey: idempotencyKeySchema.optional(),
  conversation: conversationIdSchema.optional(),
  metadata: z.record(z.string(), jsonSchema),
  /** What its costs are added up by, where it has any. */
  tags: z.array(z.string()).optional(),
  hop: z.int().min(0),
  wake: z.int().min(0),
  /** Attempts begun over the whole run. */
  attempts: z.int().min(0),
  /** Retries of the present hop. */
  retries: z.int().min(0),
  /** Attempts in a row that died without a word. */
  deaths: z.int().min(0),
  /** Model calls of top-level agents that are journaled. */
  turns: z.int().min(0),
  usage: usageSchema,
  createdAtMs: z.int(),
  updatedAtMs: z.int(),
  startedAtMs: z.int().optional(),
  finishedAtMs: z.int().optional(),
  /** The agent's version and fingerprint in the latest attempt of this hop. */
  build: z.strictObject({ version: z.string(), fingerprint: z.string() }).optional(),
  /** How often the run was suspended because its code no longer fitted its journal. */
  divergences: z.int().min(1).optional(),
  /** The run that this one was made out of. */
  origin: originSchema.optional(),
  /** What becomes of tool calls, where they do not simply run. */
  tools: toolModeSchema.exclude(["live"]).optional(),
  /** The model of the turns since `origin.turn`, where it is not the agents' own. */
  model: z.string().optional(),
  /** The run that a retry made out of this one: it carries on. */
  continuedAs: runIdSchema.optional(),
  /** The newest runs that were made out of this one. */
  children: z.array(childSchema).optional(),
  /** The run ends as `expired` when this passes. */
  deadlineAtMs: z.int(),
  /** A queued run is not started, and a lane-suspended one not resumed, before this. */
  notBeforeMs: z.int().optional(),
  cancelRequested: z.boolean(),
  worker: z.string().optional(),
  /** Tool calls that await `resolve`. */
  openIntents: z.array(intentSchema),
  /** Tool calls that await a person's decision. */
  approvals: z.array(approvalSchema),
  /** What was decided on tool calls, oldest first; decisions that a worker refused among them. */
  decisions: z.array(decidedSchema),
  /** Only while the fleet's `onApprovalRequested` has still to be told of the open approvals: when it is tried again. */
  announceAtMs: z.int().optional(),
  /** The reason of a failed, blocked or refused run, or of the last retry or suspension. */
  error: runErrorSchema.optional(),
});
export type RunInfo = z.infer<typeof runInfoSchema>;

export const requestsOf = ({ runId, tenant, approvals }: RunInfo): ApprovalRequest[] =>
  approvals.map((approval) => ({ runId, tenant, ...approval }));

/** How a run ended. `output` is text for an agent without `outputType`, else the validated value. */
export type RunResult<Output = unknown> =
  | { readonly status: "completed"; readonly runId: string; readonly agent: string; readonly output: Output; readonly usage: Usage }
  | { readonly status: "failed"; readonly runId: string; readonly agent: string; readonly error: RunErrorInfo; readonly usage: Usage }
  | {
      readonly status: "blocked";
      readonly runId: string;
      readonly agent: string;
      readonly guardrail: TrippedGuardrail;
      readonly error: RunErrorInfo;
      readonly usage: Usage;
    }
  | { readonly status: "refused"; readonly runId: string; readonly agent: string; readonly error: RunErrorInfo; readonly usage: Usage }
  | { readonly status: "cancelled" | "expired"; readonly runId: string; readonly agent: string; readonly usage: Usage };
