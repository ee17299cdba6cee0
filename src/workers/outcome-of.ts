/** The one map from what happened in a hop to what becomes of the run. A business outcome never throws. */
import { type BadAnswer, ReplayDivergedError } from "../agents/hop-state.ts";
import { encodeRejection, rejectionKey } from "../agents/journal-entry.ts";
import { LoopDetectedError, loopOfHandoffs, type RepeatLimits } from "../agents/loops.ts";
import type { AbortReason } from "../agents/ports.ts";
import type { HopResult } from "../agents/run-hop.ts";
import { classifyFailure, type Failure } from "../models/classify.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import type { Json } from "../protocol/json.ts";
import { cut, LIMITS } from "../protocol/limits.ts";
import type { Attempt, Outcome } from "../protocol/attempt.ts";
import type { RunErrorInfo } from "../protocol/run.ts";
import type { ConversationHop } from "./conversation-hop.ts";
import { laneDelayMs, RETRY_POLICY, retryDelayMs } from "./retry-policy.ts";

export interface OutcomeParts {
  readonly attempt: Attempt;
  readonly nowMs: number;
  /** Between 0 and 1. */
  readonly random: number;
  readonly contextJson: () => string;
  /** The queue of a local agent; undefined when other workers have it. */
  readonly queueOf: (agent: string) => string | undefined;
  readonly aborted: AbortReason | undefined;
  /** The limits of the agent that has the run; undefined where it may repeat itself. */
  readonly repeats: Required<RepeatLimits> | undefined;
  readonly conversation: ConversationHop | undefined;
  /** True where somebody is to be told of approvals. */
  readonly announces: boolean;
}

/** Undefined: the attempt was superseded, and decides nothing. */
export function outcomeOf(result: HopResult, parts: OutcomeParts): Outcome | undefined {
  if (parts.aborted === "superseded") return undefined;
  if (parts.aborted === "cancelled" || parts.aborted === "expired") return { type: parts.aborted };
  try {
    return decided(result, parts);
  } catch (error) {
    // A context that cannot be stored: found only now, when the hop is over.
    return ofError(error, undefined, parts);
  }
}

function decided(result: HopResult, parts: OutcomeParts): Outcome {
  switch (result.type) {
    case "completed":
      return completed(result, parts);
    case "handed-off":
      return handedOff(result, parts);
    case "interrupted":
      return interrupted(result, parts);
    case "errored":
      return parts.aborted === "shutdown" || parts.aborted === "paused"
        ? { type: "released" }
        : ofError(result.error, result.badAnswer, parts);
  }
}

function interrupted({ approvals, refusals }: Extract<HopResult, { type: "interrupted" }>, { announces }: OutcomeParts): Outcome {
  const refused = refusals.length === 0 ? {} : { refusals };
  return { type: "suspended", suspension: "approval", approvals, ...refused, ...(announces ? { announce: true } : {}) };
}

function completed(result: Extract<HopResult, { type: "completed" }>, parts: OutcomeParts): Outcome {
  const { conversation } = parts;
  return {
    type: "completed",
    output: result.output,
    itemsJson: JSON.stringify(result.items),
    ...changedContext(parts),
    ...(conversation === undefined ? {} : { conversation: conversation.completed(result) }),
  };
}

/** A context that stayed as it was is not written again. */
function changedContext({ attempt, contextJson }: OutcomeParts): { readonly contextJson?: string } {
  const now = contextJson();
  return now === attempt.contextJson ? {} : { contextJson: now };
}

function handedOff(result: Extract<HopResult, { type: "handed-off" }>, parts: OutcomeParts): Outcome {
  const { queueOf, conversation, repeats, attempt } = parts;
  const loop = repeats === undefined ? undefined : loopOfHandoffs(attempt, result.to, repeats.handoffs);
  if (loop !== undefined) return looping(new LoopDetectedError(loop), parts);
  const queue = queueOf(result.to);
  const conversationJson = conversation?.handedOff(result);
  return {
    type: "handed-off",
    to: result.to,
    ...(queue === undefined ? {} : { queue }),
    ...(result.arguments === "" ? {} : { arguments: result.arguments }),
    itemsJson: JSON.stringify(result.items),
    replacesTranscript: result.replacesTranscript,
    ...changedContext(parts),
    ...(conversationJson === undefined ? {} : { conversationJson }),
  };
}

function ofError(error: unknown, badAnswer: BadAnswer | undefined, parts: OutcomeParts): Outcome {
  if (error instanceof ReplayDivergedError) {
    return { type: "suspended", suspension: "replay-diverged", error: { code: "REPLAY_DIVERGED", message: error.message } };
  }
  if (error instanceof LoopDetectedError) return looping(error, parts);
  const failure = classifyFailure(error, parts.nowMs);
  switch (failure.kind) {
    case "rate-limited":
      return {
        type: "suspended",
        suspension: "lane",
        untilMs: parts.nowMs + laneDelayMs(failure.retryAfterMs, parts.random),
        error: { code: "MODEL_RATE_LIMITED", message: failure.message },
      };
    case "transient":
      return retryOrFail(failure, parts);
    case "bad-answer":
      return resampleOrFail(failure, badAnswer, parts);
    case "final":
      return failed(failure.code, failure.message);
    case "turn-limit":
      return failed("TURN_LIMIT", failure.message);
    case "blocked":
      return blocked(failure);
    case "refused":
      return {
        type: "refused",
        error: { code: "refused", message: failure.message, answer: cut(failure.refusal, LIMITS.errorChars) },
        ...atFault(badAnswer),
      };
    case "aborted":
      // By whom, the reason in `aborted` would say; without one somebody's own signal ended the call.
      return retryOrFail({ kind: "transient", code: "AGENT_FAILED", message: failure.message }, parts);
  }
}

function looping({ loop, message, answerKey }: LoopDetectedError, { repeats }: OutcomeParts): Outcome {
  const error = { code: "LOOP_DETECTED", message } as const;
  if (repeats?.onLoop === "ask") return { type: "suspended", suspension: "loop", loop, error };
  return { type: "failed", loop, error, ...(answerKey === undefined ? {} : { rejectKey: answerKey }) };
}

function retryOrFail(failure: Extract<Failure, { kind: "transient" }>, { attempt, nowMs, random }: OutcomeParts): Outcome {
  const { code, message, retryAfterMs } = failure;
  if (attempt.retries >= RETRY_POLICY.maxRetries) return failed(code, `${message} Given up after ${attempt.retries} retries.`);
  return { type: "retry", notBeforeMs: nowMs + retryDelayMs(attempt.retries, random, retryAfterMs), error: { code, message } };
}

/** Without a journaled answer there is none to reject: the call itself failed, and is made again like any other. */
function resampleOrFail(
  { code, message: what }: Extract<Failure, { kind: "bad-answer" }>,
  bad: BadAnswer | undefined,
  parts: OutcomeParts,
): Outcome {
  if (bad === undefined) return retryOrFail({ kind: "transient", code, message: what }, parts);
  const { resamples } = parts.attempt;
  const message = `${what} ${bad.reason}`;
  const answer = cut(bad.answer, LIMITS.answerChars);
  const told = answer === "" ? {} : { answer };
  if (resamples >= RETRY_POLICY.maxResamples) {
    const given = failed(code, `${message} Sampled ${resamples + 1} times.`, told);
    return { ...given, ...atFault(bad) };
  }
  const rejectionJson = encodeRejection({ answer, reason: bad.reason });
  return {
    type: "retry",
    notBeforeMs: parts.nowMs,
    error: { code, message: cut(message, LIMITS.errorChars), ...told },
    rejects: { key: bad.key, rejectionKey: rejectionKey(bad.key, resamples), rejectionJson },
  };
}

/** The answer at fault: a person's retry of the run samples it anew. */
const atFault = (bad: BadAnswer | undefined): { rejectKey?: string } => (bad === undefined ? {} : { rejectKey: bad.key });

const failed = (code: ErrorCode, message: string, told: Pick<RunErrorInfo, "answer"> = {}): Outcome => ({
  type: "failed",
  error: { code, message: cut(message, LIMITS.errorChars), ...told },
});

function blocked({ message, guardrail: name, at, info }: Extract<Failure, { kind: "blocked" }>): Outcome {
  const found = boundedInfo(info);
  const guardrail = { name, kind: at, ...(found === undefined ? {} : { info: found }) };
  return { type: "blocked", error: { code: "GUARDRAIL_TRIPPED" satisfies ErrorCode, message, guardrail } };
}

/** Undefined where there is none, or JSON cannot carry it: what a guardrail says of its verdict must not undo the verdict. */
function boundedInfo(info: unknown): Json | undefined {
  try {
    const text: string | undefined = JSON.stringify(info);
    if (text === undefined || text.length > LIMITS.guardrailInfoChars) return text && cut(text, LIMITS.guardrailInfoChars);
    // The text of a JSON value.
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
