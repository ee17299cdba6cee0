/** What a failed call means for whoever made it. Made from status, type and request id; a provider's own text may quote the prompt or the key. */
import { FleetError, isFleetError } from "../../protocol/errors.ts";
import { classNames, field, isObject, numberField, textField } from "../duck.ts";
import { classifyFailure, type Failure } from "../classify.ts";

export type CallFailure = Extract<Failure, { readonly kind: "rate-limited" | "transient" | "final" }>;

/** Undefined for what no provider did, such as the caller's own abort. */
export function callFailureOf(error: unknown, nowMs: number): CallFailure | undefined {
  if (isFleetError(error) || !classNames(error).some((name) => name === "APIError" || name === "APIConnectionError")) return undefined;
  const failure = classifyFailure(error, nowMs);
  return failure.kind === "rate-limited" || failure.kind === "transient" || failure.kind === "final" ? failure : undefined;
}

/** Without a cause: it holds the provider's text, and whoever logs the error logs its causes. */
export function toFleetError(error: unknown, nowMs: number, at: string): unknown {
  const failure = callFailureOf(error, nowMs);
  if (failure === undefined) return error;
  if (failure.kind === "rate-limited") {
    return new FleetError("MODEL_RATE_LIMITED", failure.message, { at, remedy: `try again in ${failure.retryAfterMs} ms` });
  }
  const { code: connection } = connectionFactsOf(error);
  return new FleetError(failure.code, `${failure.message}${connection === undefined ? "" : ` (${connection})`}`, { at });
}

/** No word of a provider's stops a reader for a day, nor is longer than a timer can be. */
const LONGEST_RETRY_AFTER_MS = 60 * 60_000;

/** How long to wait after it: as long as the provider says, and not less than `pauseMs`. */
export const pauseAfterFailure = ({ retryAfterMs = 0 }: { readonly retryAfterMs?: number | undefined }, pauseMs: number): number =>
  Math.max(Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS), pauseMs);

const OVERLOADED = new Set(["overloaded_error", "rate_limit_error"]);
/** Failures before the first byte of a request. */
const NEVER_CONNECTED = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

/** May also end a connection over which the request went: then it was no `connect` that failed. */
const UNREACHABLE = new Set(["EHOSTUNREACH", "ENETUNREACH"]);

/** Whether it is certain that the provider did not do what it was asked. Gateways answer 5xx for what may have gone through. */
export function isRefusal(error: unknown): boolean {
  const status = numberField(error, "status");
  if (status !== undefined && status < 500 && status !== 408) return status >= 400;
  if (OVERLOADED.has(textField(error, "type") ?? "")) return true;
  const { code, syscall } = connectionFactsOf(error);
  return code !== undefined && (NEVER_CONNECTED.has(code) || (UNREACHABLE.has(code) && syscall === "connect"));
}

/** The innermost code, such as ECONNRESET: `fetch` hides it below errors that only say "fetch failed". */
function connectionFactsOf(error: unknown): { readonly code: string | undefined; readonly syscall: string | undefined } {
  let code: string | undefined;
  let syscall: string | undefined;
  for (let inner = error, depth = 0; isObject(inner) && depth < 5; inner = field(inner, "cause"), depth += 1) {
    const own = textField(inner, "code");
    if (own === undefined) continue;
    code = own;
    syscall = textField(inner, "syscall");
  }
  return { code: code !== undefined && /^[A-Z][A-Z0-9_]{2,40}$/.test(code) ? code : undefined, syscall };
}
