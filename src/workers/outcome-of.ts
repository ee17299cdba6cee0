/** The one map from what happened in a hop to what becomes of the run. A business outcome never throws. */
import { ReplayDivergedError } from "../agents/hop-state.ts";
import type { AbortReason } from "../agents/ports.ts";
import type { HopResult } from "../agents/run-hop.ts";
import { classifyFailure, type Failure } from "../models/classify.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import { cut, LIMITS } from "../protocol/limits.ts";
import type { Attempt, Outcome } from "../protocol/attempt.ts";
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
      return { type: "completed", output: result.output, itemsJson: JSON.stringify(result.items), contextJson: parts.contextJson() };
    case "handed-off":
      return handedOff(result, parts);
    case "interrupted":
      return { type: "suspended", suspension: "approval", approvals: result.approvals };
    case "errored":
      return parts.aborted === "shutdown" ? { type: "released" } : ofError(result.error, result.modelKey, parts);
  }
}

function handedOff(result: Extract<HopResult, { type: "handed-off" }>, { contextJson, queueOf }: OutcomeParts): Outcome {
  const queue = queueOf(result.to);
  return {
    type: "handed-off",
    to: result.to,
    ...(queue === undefined ? {} : { queue }),
    ...(result.arguments === "" ? {} : { arguments: result.arguments }),
    itemsJson: JSON.stringify(result.items),
    replacesTranscript: result.replacesTranscript,
    contextJson: contextJson(),
  };
}

function ofError(error: unknown, modelKey: string | undefined, parts: OutcomeParts): Outcome {
  if (error instanceof ReplayDivergedError) {
    return { type: "suspended", suspension: "replay-diverged", error: { code: "REPLAY_DIVERGED", message: error.message } };
  }
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
      return resampleOrFail(failure, modelKey, parts);
    case "final":
      return failed(failure.code, failure.message);
    case "turn-limit":
      return failed("TURN_LIMIT", failure.message);
    case "blocked":
      return { type: "blocked", error: { code: failure.guardrail, message: failure.message, answer: preview(failure.info) } };
    case "refused":
      return { type: "refused", error: { code: "refused", message: failure.message, answer: cut(failure.refusal, LIMITS.errorChars) } };
    case "aborted":
      // By whom, the reason in `aborted` would say; without one somebody's own signal ended the call.
      return retryOrFail({ kind: "transient", code: "AGENT_FAILED", message: failure.message }, parts);
  }
}

function retryOrFail(failure: Extract<Failure, { kind: "transient" }>, { attempt, nowMs, random }: OutcomeParts): Outcome {
  const { code, message, retryAfterMs } = failure;
  if (attempt.retries >= RETRY_POLICY.maxRetries) return failed(code, `${message} Given up after ${attempt.retries} retries.`);
  return { type: "retry", notBeforeMs: nowMs + retryDelayMs(attempt.retries, random, retryAfterMs), error: { code, message } };
}

function resampleOrFail(failure: Failure, modelKey: string | undefined, { attempt, nowMs }: OutcomeParts): Outcome {
  const error = { code: "MODEL_OUTPUT_INVALID", message: failure.message } as const;
  if (attempt.resamples >= RETRY_POLICY.maxResamples) return failed(error.code, `${error.message} Sampled ${attempt.resamples + 1} times.`);
  return { type: "retry", notBeforeMs: nowMs, error, ...(modelKey === undefined ? {} : { rejectKey: modelKey }) };
}

const failed = (code: ErrorCode, message: string): Outcome => ({
  type: "failed",
  error: { code, message: cut(message, LIMITS.errorChars) },
});

const preview = (info: unknown): string => cut(JSON.stringify(info) ?? "", LIMITS.errorChars);
