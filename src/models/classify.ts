/**
 * What a failure means for a run. A pure table over the shape of the error: it decides the kind and the code, never what is done about it.
 *
 * Unknown errors are transient (the caller bounds retries); an end must be said by somebody. Messages are made here from status, code and
 * request id, because a provider's own text may quote the prompt or the key.
 */
import { type ErrorCode, isFleetError } from "../protocol/errors.ts";
import type { GuardrailKind } from "../protocol/run.ts";
import { classNames, field, isObject, numberField, textField } from "./duck.ts";
import { classifyProviderError, isNetworkError } from "./provider-errors.ts";
import { ownText, safeText } from "./safe-text.ts";

export type Failure = { readonly message: string } & (
  | { readonly kind: "rate-limited"; readonly retryAfterMs: number }
  | { readonly kind: "transient"; readonly code: ErrorCode; readonly retryAfterMs?: number }
  | { readonly kind: "final"; readonly code: ErrorCode }
  /** The answer has the wrong form: another sample may be right. */
  | { readonly kind: "bad-answer"; readonly code: ErrorCode }
  | { readonly kind: "blocked"; readonly guardrail: string; readonly at: GuardrailKind; readonly info: unknown }
  | { readonly kind: "refused"; readonly refusal: string }
  | { readonly kind: "turn-limit" }
  | { readonly kind: "aborted"; readonly reason: unknown }
);

/** @param nowMs needed only to understand a `retry-after` header that holds a date. */
export const classifyFailure = (error: unknown, nowMs?: number): Failure => classifyAt(error, nowMs, 0);

/** Wrapped errors are looked into, but a cycle of causes must end. */
const MAX_DEPTH = 5;

function classifyAt(error: unknown, nowMs: number | undefined, depth: number): Failure {
  const names = new Set(classNames(error));
  const within = (inner: unknown): Failure | undefined =>
    inner === undefined || depth >= MAX_DEPTH ? undefined : classifyAt(inner, nowMs, depth + 1);
  return (
    classifyAbort(error, names) ??
    classifyFleetError(error) ??
    classifyAgentsError(error, names) ??
    classifyWrapped(error, names, within) ??
    classifyProviderError(error, names, nowMs) ??
    classifyUnknown(error, within)
  );
}

/** Reasons with which the fleet aborts an attempt's signal. Between calls the SDK throws the bare reason. */
const ABORT_REASONS: ReadonlySet<unknown> = new Set(["cancelled", "expired", "superseded", "shutdown"]);

function classifyAbort(error: unknown, names: ReadonlySet<string>): Failure | undefined {
  const message = "The call was aborted.";
  if (ABORT_REASONS.has(error)) return { kind: "aborted", reason: error, message };
  if (!names.has("APIUserAbortError") && !names.has("AbortError")) return undefined;
  return { kind: "aborted", reason: field(error, "cause") ?? error, message };
}

const TRANSIENT_CODES: ReadonlySet<ErrorCode> = new Set([
  "BACKEND_UNREACHABLE",
  "MODEL_RATE_LIMITED",
  "MODEL_UNAVAILABLE",
  "PAYLOAD_KEY_MISSING",
  "PAYLOAD_NOT_SEALED",
  "REDIS_MEMORY_FULL",
]);

function classifyFleetError(error: unknown): Failure | undefined {
  if (!isFleetError(error)) return undefined;
  return { kind: TRANSIENT_CODES.has(error.code) ? "transient" : "final", code: error.code, message: safeText(error.message) };
}

function classifyAgentsError(error: unknown, names: ReadonlySet<string>): Failure | undefined {
  if (names.has("ModelRefusalError")) {
    return { kind: "refused", refusal: textField(error, "refusal") ?? "", message: "The model refused to answer." };
  }
  if (names.has("MaxTurnsExceededError")) return { kind: "turn-limit", message: "The agent used up its turns without an answer." };
  const tripped = [...names].find((name) => Object.hasOwn(TRIPPED, name));
  if (tripped !== undefined) return toBlocked(error, TRIPPED[tripped] ?? "input");
  if (names.has("ModelTimeoutError")) {
    const timeoutMs = numberField(error, "timeoutMs");
    return { kind: "transient", code: "MODEL_UNAVAILABLE", message: `The model did not answer within ${timeoutMs ?? "its"} ms.` };
  }
  if (names.has("ToolTimeoutError")) {
    const tool = textField(error, "toolName") ?? "unknown";
    return {
      kind: "transient",
      code: "TOOL_FAILED",
      message: safeText(`The tool ${tool} did not end within ${numberField(error, "timeoutMs") ?? "its"} ms.`),
    };
  }
  if (names.has("ModelBehaviorError")) return classifyModelBehavior(error);
  // Also the SDK's InvalidToolOutputError, and what its Chat Completions converter cannot send.
  if (names.has("UserError")) return { kind: "final", code: "AGENT_INVALID", message: `The agent is set up wrongly: ${ownText(error)}` };
  return undefined;
}

const TRIPPED: Readonly<Record<string, GuardrailKind>> = {
  InputGuardrailTripwireTriggered: "input",
  OutputGuardrailTripwireTriggered: "output",
  ToolInputGuardrailTripwireTriggered: "tool-input",
  ToolOutputGuardrailTripwireTriggered: "tool-output",
};

function toBlocked(error: unknown, at: GuardrailKind): Failure {
  const result = field(error, "result");
  const guardrail = textField(field(result, "guardrail"), "name") ?? "unknown";
  return {
    kind: "blocked",
    guardrail,
    at,
    info: field(field(result, "output"), "outputInfo"),
    message: safeText(`The ${at} guardrail ${guardrail} stopped the run.`),
  };
}

function classifyModelBehavior(error: unknown): Failure {
  const text = textField(error, "message") ?? "";
  if (text.includes("response.incomplete") || text.includes("finish_reason='length'")) {
    const message = "The model's answer was cut off, at its token limit or by the provider's filter.";
    return { kind: "final", code: "MODEL_OUTPUT_TRUNCATED", message };
  }
  if (/response\.failed|response\.error|terminal state "error"|missing its required response payload/.test(text)) {
    return { kind: "transient", code: "MODEL_UNAVAILABLE", message: "The provider reported that the answer failed." };
  }
  return { kind: "bad-answer", code: "MODEL_OUTPUT_INVALID", message: "The model's answer does not have the expected form." };
}

function classifyWrapped(error: unknown, names: ReadonlySet<string>, within: (inner: unknown) => Failure | undefined): Failure | undefined {
  const isTool = names.has("ToolCallError");
  if (!isTool && !names.has("GuardrailExecutionError")) return undefined;
  const inner = field(error, "error");
  const who = isTool ? "A tool" : safeText(`The guardrail ${textField(error, "guardrail") ?? ""}`.trim());
  const code = isTool ? "TOOL_FAILED" : "GUARDRAIL_FAILED";
  // A nested agent's model call fails inside a tool: it keeps its own meaning. What the tool's own code throws does not,
  // whatever `status` it may carry.
  const failure = isModelSide(inner) ? within(inner) : undefined;
  // A judge whose answer is bad is asked again; the run fails for its guardrail, not for an answer of its own.
  if (!isTool && failure?.kind === "bad-answer") return { ...failure, code, message: `${who} asked a model. ${failure.message}` };
  if (failure !== undefined && (isTool || failure.kind !== "transient")) return failure;
  return { kind: "transient", code, message: `${who} failed: ${ownText(inner)}` };
}

const MODEL_SIDE = ["OpenAIError", "APIError", "APIConnectionError", "AgentsError", "FleetError", "AI_APICallError", "AbortError"];

const isModelSide = (error: unknown): boolean => ABORT_REASONS.has(error) || classNames(error).some((name) => MODEL_SIDE.includes(name));

function classifyUnknown(error: unknown, within: (inner: unknown) => Failure | undefined): Failure {
  if (isNetworkError(error)) return { kind: "transient", code: "MODEL_UNAVAILABLE", message: "The provider could not be reached." };
  const cause = field(error, "cause");
  const inner = isObject(cause) && (isModelSide(cause) || isNetworkError(cause)) ? within(cause) : undefined;
  return inner ?? { kind: "transient", code: "AGENT_FAILED", message: `The agent's own code failed: ${ownText(error)}` };
}
