/**
 * One wake of one run, from its job to its settled outcome:
 *
 *   job ──begin──▶ Attempt ──lost calls──▶ known ──runHop──▶ HopResult ──outcomeOf──▶ Outcome ──end──▶ next wake
 *
 * I1: the record is read first, and a stale job ends without effect. I2: the outcome is decided once, under the attempt's token.
 * Nothing here throws for a business outcome; what throws is a store that cannot answer, and then BullMQ or the dispatch brings the run back.
 */
import { randomUUID } from "node:crypto";
import type { ModelProvider } from "@openai/agents";
import { buildOf } from "../agents/build.ts";
import { type Catalog, type CatalogEntry, configuredAgent } from "../agents/catalog.ts";
import type { Approvers } from "../agents/hop-decisions.ts";
import { type HopResult, runHop } from "../agents/run-hop.ts";
import { createRecordings } from "../agents/recordings.ts";
import { type TrackedContext, trackContext } from "../agents/run-context.ts";
import type { Clock } from "../clock.ts";
import { classifyFailure } from "../models/classify.ts";
import { type ErrorCode, isFleetError } from "../protocol/errors.ts";
import type { WakeJob } from "../protocol/job.ts";
import type { Json } from "../protocol/json.ts";
import type { Retention } from "../protocol/retention.ts";
import type { AgentBuild, Attempt, BeginCommand, BeginReply, Outcome } from "../protocol/attempt.ts";
import type { LiveText, RunStore } from "../protocol/run-store.ts";
import { checkTranscript } from "../protocol/structured-input.ts";
import { wakeFollower, type WakeQueue } from "../protocol/wake-queue.ts";
import type { Log } from "../telemetry/log.ts";
import { type ConversationHop, openConversation } from "./conversation-hop.ts";
import { announceApprovals, type FleetHooks } from "./announce-approvals.ts";
import type { HeldRun, HeldRuns } from "./held-runs.ts";
import { createHopJournal } from "./hop-journal.ts";
import { createLiveWriter } from "./live-writer.ts";
import { reconcileLostCalls } from "./lost-calls.ts";
import { outcomeOf } from "./outcome-of.ts";
import { RETRY_POLICY, retryDelayMs } from "./retry-policy.ts";
import { unlessStuck } from "./unless-stuck.ts";

export type MakeContext = (request: {
  readonly tenant: string;
  readonly context: Record<string, unknown>;
}) => Record<string, unknown> | Promise<Record<string, unknown>>;

export interface WakeDeps {
  readonly store: RunStore;
  readonly live: LiveText;
  readonly queue: WakeQueue;
  readonly catalog: Catalog;
  /** Journaled. */
  readonly provider: ModelProvider;
  readonly makeContext: MakeContext;
  /** Says which decisions of people count. Default: every one. */
  readonly approvers?: Approvers | undefined;
  readonly hooks?: FleetHooks | undefined;
  readonly held: HeldRuns;
  readonly clock: Clock;
  readonly log: Log;
  readonly workerId: string;
  readonly options: WakeOptions;
  /** Between 0 and 1; for jitter. */
  readonly random: () => number;
}

export interface WakeOptions {
  /** How long an attempt holds a run without a heartbeat. Milliseconds. */
  readonly leaseMs: number;
  /** How long a final run stays readable. Milliseconds. */
  readonly retentionMs: Retention;
  /** Attempts in a row that may die before the run is given up. */
  readonly maxDeaths: number;
}

/** @param onBegun called when the run is held by its lease, so that the job that brought it is only a formality */
export async function processWake(
  deps: WakeDeps,
  { runId, wake, agent }: { readonly runId: string; readonly wake: number; readonly agent: string },
  onBegun: () => void = () => undefined,
): Promise<void> {
  const token = randomUUID();
  const { leaseMs, maxDeaths } = deps.options;
  const entry = deps.catalog.get(agent);
  const here = entry === undefined ? {} : { build: { agent, ...buildOf(entry) } };
  const begun = await beginOrPutBack(deps, { runId, wake, token, workerId: deps.workerId, leaseMs, maxDeaths, ...here });
  if (begun === undefined) return;
  if (begun.status !== "begun") {
    deps.log.debug({ event: "wake.dropped", runId, wake, why: begun.status === "stale" ? begun.why : begun.as }, "wake dropped");
    return;
  }
  onBegun();
  const held = deps.held.hold(runId, token);
  try {
    const outcome = await unlessStuck(deps, begun.attempt, held, attemptHop(deps, begun, held));
    if (outcome !== undefined) await settle(deps, begun.attempt, outcome);
    for (const next of await reconcileLostCalls(deps, begun.attempt)) await offer(deps, next);
  } finally {
    deps.held.release(held);
  }
}

type Begun = Extract<BeginReply, { status: "begun" }>;

const UNREADABLE: ReadonlySet<string> = new Set<ErrorCode>(["PAYLOAD_KEY_MISSING", "PAYLOAD_NOT_SEALED"]);

/** A run that this worker's keys do not open is put back: another worker may have the key. Its record says why it waits. */
async function beginOrPutBack(deps: WakeDeps, command: BeginCommand): Promise<BeginReply | undefined> {
  const { store, clock, log, random, options } = deps;
  try {
    return await store.begin(command);
  } catch (error) {
    if (!isFleetError(error) || !UNREADABLE.has(error.code)) throw error;
    const { runId, token } = command;
    const { code, message } = error;
    log.warn({ event: "run.unreadable", runId, code, message }, "this worker cannot open the run; it is put back");
    const notBeforeMs = clock.nowMs() + retryDelayMs(RETRY_POLICY.maxRetries, random());
    await store.end({
      runId,
      token,
      outcome: { type: "retry", notBeforeMs, error: { code, message }, misplaced: true },
      retentionMs: options.retentionMs,
    });
    return undefined;
  }
}

async function attemptHop(deps: WakeDeps, begun: Begun, held: HeldRun): Promise<Outcome | undefined> {
  const { attempt } = begun;
  const entry = deps.catalog.get(attempt.agent);
  if (entry === undefined) return notHere(deps, attempt);
  if (attempt.openIntents.length > 0) return effectUnknown(attempt);
  const changed = entry.onVersionChange === "fail" ? versionChange(attempt, buildOf(entry)) : undefined;
  if (changed !== undefined) return { type: "failed", error: { code: "AGENT_CHANGED" satisfies ErrorCode, message: changed } };
  let context: TrackedContext | undefined;
  let conversation: ConversationHop | undefined;
  const result = await orErrored(async () => {
    // Each chunk is a JSON array that the submit or a hop's end wrote.
    const own = begun.itemsJson.flatMap((chunk) => JSON.parse(chunk) as Json[]);
    // Only what a producer gave: in later hops the conversation is the agents' own.
    if (attempt.hop === 0 && entry.input !== undefined) checkTranscript(entry.input, own, entry.name);
    // A later hop is another agent's, a second chance has its source's settings, and a journal says that a release which let them pass began this one.
    const begins = attempt.hop === 0 && attempt.origin === undefined && !attempt.hasJournal;
    const agent = configuredAgent(entry, attempt.settingsJson, { begins });
    context = await openContext(deps, attempt);
    conversation = openConversation({ begun, own, policy: entry.compaction, clock: deps.clock });
    return run(deps, attempt, held, { entry: { ...entry, agent }, context, own, conversation });
  });
  return outcomeOf(result, {
    attempt,
    nowMs: deps.clock.nowMs(),
    random: deps.random(),
    contextJson: () => context?.encode() ?? attempt.contextJson,
    queueOf: (name) => deps.catalog.get(name)?.queue,
    aborted: held.aborted(),
    repeats: entry.repeats,
    conversation,
    announces: deps.hooks?.onApprovalRequested !== undefined,
  });
}

/** In words, or undefined where the hop goes on under the code under which it began. */
function versionChange({ agent, hopBuild }: Attempt, now: AgentBuild): string | undefined {
  if (hopBuild === undefined || (hopBuild.version === now.version && hopBuild.fingerprint === now.fingerprint)) return undefined;
  const named = ({ version, fingerprint }: AgentBuild): string => `${version} (${fingerprint})`;
  return `Agent ${agent} began this hop as version ${named(hopBuild)}; this worker has ${named(now)}.`;
}

function effectUnknown({ openIntents }: Attempt): Outcome {
  const message = `A worker was lost while ${openIntents.map(({ tool }) => tool).join(", ")} ran; whether it took effect is unknown.`;
  return { type: "suspended", suspension: "effect-unknown", error: { code: "EFFECT_UNKNOWN", message } };
}

/**
 * The queue's worker does not hold the agent: a deploy is under way, or two fleets share a queue. Another worker may hold it. That says
 * nothing of the agent, so it is counted apart from its retries.
 */
function notHere({ clock, random, log }: WakeDeps, { agent, runId, queue, misplaced }: Attempt): Outcome {
  const code = "AGENT_UNKNOWN";
  if (misplaced >= RETRY_POLICY.maxMisplaced) {
    const message = `Agent ${agent} was given to ${misplaced + 1} workers of queue ${queue}, and none of them holds it.`;
    return { type: "failed", error: { code, message } };
  }
  log.warn({ event: "agent.missing", runId, agent }, "this worker does not hold the run's agent; it is put back");
  const message = `A worker of queue ${queue} does not hold agent ${agent}.`;
  return { type: "retry", misplaced: true, notBeforeMs: clock.nowMs() + retryDelayMs(misplaced, random()), error: { code, message } };
}

async function openContext({ makeContext }: WakeDeps, { tenant, contextJson }: Attempt): Promise<TrackedContext> {
  // Written by a producer that checked it to be an object. Read twice: the user's code gets a copy of its own.
  const parsed = (): Record<string, unknown> => JSON.parse(contextJson) as Record<string, unknown>;
  return trackContext(parsed(), await makeContext({ tenant, context: parsed() }));
}

interface Prepared {
  readonly entry: CatalogEntry;
  readonly context: TrackedContext;
  /** The run's own transcript. */
  readonly own: readonly Json[];
  readonly conversation: ConversationHop | undefined;
}

async function run(deps: WakeDeps, attempt: Attempt, held: HeldRun, prepared: Prepared): Promise<HopResult> {
  const { entry, context, own, conversation } = prepared;
  const { store, live, clock, provider, log } = deps;
  const { runId, hop, tenant, turnsBefore, attempt: number, agent, root, tags, tools, model } = attempt;
  const entries = attempt.hasJournal ? await store.journal(runId, hop) : new Map<string, string>();
  const writer = createLiveWriter(live, clock, runId, number);
  try {
    return await runHop({
      entry,
      agent: entry.agent,
      identity: { runId, hop, attempt: number, agent, tenant, tags, turnsBefore, root, conversation: attempt.conversation },
      transcript: conversation === undefined ? own : [...conversation.before, ...own],
      shownBefore: conversation?.before.length ?? 0,
      summary: conversation?.summary,
      context,
      decisions: attempt.decisions,
      approvers: deps.approvers,
      journal: createHopJournal(store, attempt, { held, version: entry.version, entries }),
      secondChance: { tools, model, recordings: createRecordings(() => store.recordings(runId)) },
      live: writer,
      provider,
      signal: held.signal,
      clock,
      isRetryable: (error) => ["rate-limited", "transient"].includes(classifyFailure(error).kind),
      onListenerError: (err) => log.warn({ event: "listener.errored", runId, agent, err }, "a hook listener failed; the run goes on"),
    });
  } finally {
    await writer.close();
  }
}

/** The user's own code (context factory, configure) may throw; that is an outcome of the run, not of the worker. */
async function orErrored(work: () => Promise<HopResult>): Promise<HopResult> {
  try {
    return await work();
  } catch (error) {
    return { type: "errored", error, badAnswer: undefined };
  }
}

async function settle(deps: WakeDeps, attempt: Attempt, outcome: Outcome): Promise<void> {
  const { store, log, options } = deps;
  const { runId, token, hop, agent } = attempt;
  const reply = await store.end({ runId, token, outcome, retentionMs: options.retentionMs });
  log.info(
    { event: "attempt.settled", runId, hop, agent, attempt: attempt.attempt, outcome: outcome.type, status: reply.status },
    "attempt settled",
  );
  if (reply.status === "superseded") return;
  if (reply.next !== undefined) await offer(deps, reply.next);
  if (reply.follower !== undefined)
    await wakeFollower(deps, reply.follower, options).catch((err: unknown) =>
      log.warn({ event: "follower.not-woken", runId: reply.follower, err }, "the run whose turn has come is left to the reconciler"),
    );
  if (reply.as === "suspended") await announceApprovals(deps, runId);
}

/** The run is safe in the dispatch: a wake that cannot be added now is added by the reconciler. */
async function offer({ queue, log }: WakeDeps, wake: WakeJob): Promise<void> {
  await queue
    .add([wake])
    .catch((err: unknown) => log.warn({ event: "wake.not-added", runId: wake.runId, err }, "the wake is left to the reconciler"));
}
