/**
 * One hop: the SDK's loop of one agent, unmodified, on a derived agent, until it answers, hands off, waits for a person or fails.
 *
 *   transcript ─▶ Runner.run(derived agent) ─▶ result ─▶ HopResult
 *                    │ model calls: journaled-model.ts
 *                    │ tool calls: ledgered-tool.ts
 *
 * It decides nothing about the run: the worker maps the result to an outcome and settles it.
 */
import {
  type AgentInputItem,
  MaxTurnsExceededError,
  type ModelProvider,
  RunContext,
  Runner,
  type RunState,
  type RunToolApprovalItem,
} from "@openai/agents";
import type { Clock } from "../clock.ts";
import type { Refusal } from "../protocol/attempt.ts";
import { encodeJson, type Json } from "../protocol/json.ts";
import { cut, LIMITS } from "../protocol/limits.ts";
import type { Approval, Decided } from "../protocol/run.ts";
import type { AnyAgent, CatalogEntry } from "./catalog.ts";
import { summarise } from "./compaction.ts";
import { deriveAgent, isStub } from "./derived-agent.ts";
import { type Approvers, type CallInQuestion, HopDecisions } from "./hop-decisions.ts";
import { restoreOutputInfo } from "./hop-guardrails.ts";
import { TOP_FRAME } from "../protocol/journal.ts";
import { type BadAnswer, type HopIdentity, HopState, runInScope, type SecondChance } from "./hop-state.ts";
import type { HopJournal, HopLiveText } from "./ports.ts";
import type { TrackedContext } from "./run-context.ts";
import { installSeams } from "./sdk-seams.ts";
import { approvalDeadlineOf } from "./tool-policy.ts";
import { whyRefused } from "./structured-answer.ts";

export interface HopParts {
  readonly entry: CatalogEntry;
  /** The entry's agent, or what its `configure` made of the run's settings. */
  readonly agent: AnyAgent;
  readonly identity: HopIdentity;
  readonly transcript: readonly Json[];
  /** So many of its first items were left by earlier runs of a conversation. */
  readonly shownBefore: number;
  /** Items to be summed up first; the summary is shown in front of the transcript. */
  readonly summary?: { readonly older: readonly Json[]; readonly how: AnyAgent | string } | undefined;
  readonly context: TrackedContext;
  readonly decisions: ReadonlyMap<string, Decided>;
  /** Says which decisions count. Default: every one. */
  readonly approvers: Approvers | undefined;
  readonly journal: HopJournal;
  readonly secondChance: SecondChance;
  readonly live: HopLiveText;
  /** Already journaled: see `journaledProvider`. */
  readonly provider: ModelProvider;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly isRetryable: (error: unknown) => boolean;
  readonly onListenerError: (error: unknown) => void;
}

interface Shown {
  /** What stood in front of the transcript. */
  readonly summary?: readonly Json[];
}

export type HopResult =
  | (Shown & { readonly type: "completed"; readonly output: Json; readonly items: readonly Json[]; readonly contextTokens: number })
  | (Shown & {
      readonly type: "handed-off";
      readonly to: string;
      readonly arguments: string;
      readonly items: readonly Json[];
      readonly replacesTranscript: boolean;
      /** What the hop generated, where a filter rewrote the transcript. */
      readonly unfiltered?: readonly Json[];
    })
  | { readonly type: "interrupted"; readonly approvals: readonly Approval[]; readonly refusals: readonly Refusal[] }
  /** `badAnswer`: the last answer before the error, to be rejected if an answer is at fault. */
  | { readonly type: "errored"; readonly error: unknown; readonly badAnswer: BadAnswer | undefined };

export async function runHop(parts: HopParts): Promise<HopResult> {
  installSeams();
  const hop = new HopState(parts);
  hop.provider = parts.provider;
  hop.people = new HopDecisions(hop, parts.decisions, parts.approvers);
  hop.runner = new Runner({
    modelProvider: parts.provider,
    tracingDisabled: true,
    toolNotFoundBehavior: "return_error_to_model",
    workflowName: "flotilla",
    groupId: parts.identity.runId,
  });
  try {
    return await runInScope({ hop, frame: hop.frame(TOP_FRAME), call: undefined }, () => runToEnd(parts, hop));
  } catch (error) {
    // What stopped the attempt from inside is the cause; what the SDK made of it is not.
    const cause = hop.fatal?.error ?? error;
    restoreOutputInfo(cause, hop);
    hop.blame(cause, hop.frame(TOP_FRAME), (text) => whyRefused(parts.agent, text));
    return { type: "errored", error: cause, badAnswer: hop.blamed(cause) };
  }
}

/** The summary counts as part of the transcript from then on: what the hop generated stands behind both. */
async function runToEnd(given: HopParts, hop: HopState): Promise<HopResult> {
  if (given.summary === undefined) return runLoop(given, hop);
  const summary = await summarise(hop, given.summary.how, given.summary.older);
  const shownBefore = summary.length + given.shownBefore;
  const result = await runLoop({ ...given, transcript: [...summary, ...given.transcript], shownBefore }, hop);
  return result.type === "completed" || result.type === "handed-off" ? { ...result, summary } : result;
}

async function runLoop(parts: HopParts, hop: HopState): Promise<HopResult> {
  const guardsAll = parts.entry.guardrails === "every-hop";
  // What earlier runs left was guarded when it came: else nothing more could be said in a conversation that has grown long.
  const guarded = { guardsInput: guardsAll || parts.identity.hop === 0, guardedFrom: guardsAll ? 0 : parts.shownBefore };
  const agent = deriveAgent(parts.agent, hop, { ...guarded, onListenerError: parts.onListenerError });
  const runContext = new RunContext(parts.context.value);
  hop.inherited = parts.transcript.length;
  // The transcript was written by the SDK's own `history`, or validated as input items at submit.
  let input: AgentInputItem[] | SdkState = parts.transcript as unknown as AgentInputItem[];
  for (;;) {
    const result = await runOnce(parts, hop, agent, input, runContext);
    if (hop.fatal !== undefined) throw hop.fatal.error;
    hop.signal.throwIfAborted();
    if ("handedOffTo" in result) return handedOff(parts, hop, result.handedOffTo, result.history);
    if (result.interruptions.length === 0) return completed(parts, hop, result);
    if (!(await decide(result.state, result.interruptions, hop.people))) {
      const approvals = result.interruptions.map((item) => toApproval(item, hop.people));
      return { type: "interrupted", approvals, refusals: hop.people.refusals };
    }
    input = result.state;
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- the SDK's RunState is generic over every agent of the graph
type SdkState = RunState<any, any>;

type Pass =
  | { readonly handedOffTo: string; readonly history: readonly AgentInputItem[] }
  | {
      readonly output: unknown;
      readonly history: readonly AgentInputItem[];
      readonly interruptions: RunToolApprovalItem[];
      readonly state: SdkState;
    };

async function runOnce(
  parts: HopParts,
  hop: HopState,
  agent: AnyAgent,
  input: AgentInputItem[] | SdkState,
  context: RunContext<unknown>,
): Promise<Pass> {
  // An answer without text would otherwise be asked for again until the turn limit, without a word about what is missing.
  const errorHandlers = { invalidFinalOutput: ({ error }: { readonly error: Error }) => hop.fail(error) };
  const options = { context, signal: hop.signal, maxTurns: parts.entry.turnLimit, errorHandlers };
  try {
    const result = parts.entry.stream
      ? await drained(hop.runner.run(agent, input, { ...options, stream: true }))
      : await hop.runner.run(agent, input, options);
    if (isStub(result.lastAgent)) return { handedOffTo: result.lastAgent?.name ?? "", history: result.history.slice(0, -1) };
    return {
      // Read only where there is one: the SDK complains on the console otherwise.
      output: result.interruptions.length > 0 || hop.signal.aborted ? undefined : result.finalOutput,
      history: result.history,
      interruptions: result.interruptions,
      state: result.state,
    };
  } catch (error) {
    // A handoff on the last allowed turn: the stub had no turn left to end on.
    if (error instanceof MaxTurnsExceededError && isStub(error.state?.currentAgent)) {
      return { handedOffTo: error.state?.currentAgent?.name ?? "", history: error.state?.history ?? [] };
    }
    throw error;
  }
}

/** The live text was taken at the model; what is left is to run the stream dry. An aborted stream only rejects `completed`. */
async function drained<R extends AsyncIterable<unknown> & { readonly completed: Promise<void> }>(started: Promise<R>): Promise<R> {
  const result = await started;
  for await (const _event of result);
  await result.completed;
  return result;
}

function handedOff({ transcript }: HopParts, hop: HopState, to: string, history: readonly AgentInputItem[]): HopResult {
  const replacesTranscript = hop.handoff?.filtered === true;
  return {
    type: "handed-off",
    to,
    arguments: cut(hop.handoff?.arguments ?? "", LIMITS.eventPreviewChars),
    items: toJsonItems(replacesTranscript ? history : history.slice(transcript.length)),
    replacesTranscript,
    ...(hop.unfiltered === undefined ? {} : { unfiltered: toJsonItems(hop.unfiltered) }),
  };
}

function completed({ transcript }: HopParts, hop: HopState, pass: Extract<Pass, { output: unknown }>): HopResult {
  // Through text: an output type may transform into Dates and the like, and what is stored is what anybody reads.
  const output = JSON.parse(JSON.stringify(pass.output ?? null)) as Json;
  encodeJson(output, { at: "output", maxBytes: LIMITS.outputBytes, tooLarge: "OUTPUT_TOO_LARGE" });
  return { type: "completed", output, items: toJsonItems(pass.history.slice(transcript.length)), contextTokens: hop.contextTokens };
}

/** True when a pending call has a decision and was told it; the SDK then goes on in process. */
async function decide(state: SdkState, interruptions: readonly RunToolApprovalItem[], decisions: HopDecisions): Promise<boolean> {
  let any = false;
  for (const item of interruptions) {
    const decided = await decisions.of(callOf(item));
    if (decided === undefined) continue;
    any = true;
    const message = decided.timedOut === true ? TIMED_OUT : decided.reason;
    if (decided.approve) state.approve(item);
    else state.reject(item, message === undefined ? {} : { message });
  }
  return any;
}

/** What the model is told in place of a result. */
const TIMED_OUT = "Nobody decided on this call in time, so it was not run.";

function callOf(item: RunToolApprovalItem): CallInQuestion {
  const raw = item.rawItem;
  const callId = "callId" in raw && typeof raw.callId === "string" ? raw.callId : (raw.id ?? "");
  return { callId, tool: item.name ?? "", arguments: item.arguments ?? "" };
}

function toApproval(item: RunToolApprovalItem, decisions: HopDecisions): Approval {
  const { callId, tool: name, arguments: args } = callOf(item);
  const tool = decisions.toolOf(callId);
  const parametersJson = JSON.stringify(tool?.parameters);
  return {
    callId,
    tool: name,
    agent: item.agent.name,
    arguments: cut(args, LIMITS.approvalArgumentsChars),
    ...(parametersJson === undefined || parametersJson.length > LIMITS.approvalArgumentsChars ? {} : { parametersJson }),
    ...(tool === undefined ? {} : approvalDeadlineOf(tool)),
  };
}

/** Items as JSON: what the SDK holds as class instances or undefined fields is stored plain. */
const toJsonItems = (items: readonly AgentInputItem[]): Json[] => JSON.parse(JSON.stringify(items)) as Json[];
