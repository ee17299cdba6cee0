/** The rows of the failure table that are about HTTP: status, code and headers of the OpenAI client's and the AI SDK's errors. */
import type { ErrorCode } from "../protocol/errors.ts";
import type { Failure } from "./classify.ts";
import { field, numberField, textField } from "./duck.ts";
import { readHeader, readRetryAfterMs } from "./retry-after.ts";
import { safeText } from "./safe-text.ts";

/** When the provider limits the rate without saying for how long. */
export const DEFAULT_RATE_LIMIT_MS = 5_000;

const QUOTA_CODES: ReadonlySet<string> = new Set([
  "insufficient_quota",
  "billing_hard_limit_reached",
  "billing_not_active",
  "budget_exceeded",
  "credit_balance_too_low",
]);
/** A bill that is not paid has no code of its own at Anthropic, and a proxy's limit loses its type on some ways. */
const QUOTA_WORDS = /credit balance is too low|Budget has been exceeded!|\bExceeded\w*Budget\b/;
/** A proxy without a database, asked with a key that is not its own. */
const KEY_CODES: ReadonlySet<string> = new Set(["no_db_connection"]);
const CONTEXT_CODES: ReadonlySet<string> = new Set(["context_length_exceeded", "string_above_max_length", "context_window_exceeded"]);
/** Providers behind a proxy lose the code and keep the words. */
const CONTEXT_WORDS =
  /maximum context length|context window|prompt is too long|too many (input )?tokens|request too large|exceeds? the context/i;

interface Facts {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly text: string;
  readonly headers: unknown;
  readonly requestId: string | undefined;
  readonly param: string | undefined;
}

/** Undefined for an error that no HTTP client of a provider made. */
export function classifyProviderError(error: unknown, names: ReadonlySet<string>, nowMs: number | undefined): Failure | undefined {
  if (names.has("APIConnectionTimeoutError")) return unavailable("The provider did not answer in time.");
  if (names.has("APIConnectionError")) return unavailable("The connection to the provider failed.");
  const facts = readFacts(error);
  if (facts.status === undefined && !names.has("APIError")) return undefined;
  const retryAfterMs = readRetryAfterMs(facts.headers, nowMs);
  const finalCode = toFinalCode(facts);
  if (finalCode !== undefined) return { kind: "final", code: finalCode, message: describe(facts, FINAL_TEXTS[finalCode]) };
  if (facts.status === 429 || facts.code === "rate_limit_exceeded") {
    const text = "The provider limits the rate of calls";
    return { kind: "rate-limited", retryAfterMs: retryAfterMs ?? DEFAULT_RATE_LIMIT_MS, message: describe(facts, text) };
  }
  return unavailable(describe(facts, "The provider failed"), retryAfterMs);
}

const FINAL_TEXTS = {
  MODEL_QUOTA_SPENT: "The account at the provider has no credit left",
  MODEL_CONTEXT_TOO_LONG: "The conversation is longer than the model accepts",
  MODEL_KEY_REJECTED: "The provider rejected the key",
  MODEL_CALL_FAILED: "The provider refused the call",
} as const satisfies Partial<Record<ErrorCode, string>>;

function toFinalCode({ status, code, text, headers }: Facts): keyof typeof FINAL_TEXTS | undefined {
  if (code !== undefined && QUOTA_CODES.has(code)) return "MODEL_QUOTA_SPENT";
  if (code !== undefined && CONTEXT_CODES.has(code)) return "MODEL_CONTEXT_TOO_LONG";
  if (status !== undefined && status < 500 && QUOTA_WORDS.test(text)) return "MODEL_QUOTA_SPENT";
  if (code !== undefined && KEY_CODES.has(code)) return "MODEL_KEY_REJECTED";
  // A 429 "request too large" says that this one request never fits the limit: waiting does not help.
  if ((status === 400 || status === 413 || status === 429) && CONTEXT_WORDS.test(text)) return "MODEL_CONTEXT_TOO_LONG";
  // An error event inside a stream has no status; its code alone says whose fault it was.
  if (status === undefined) return code === "invalid_prompt" || code === "invalid_request_error" ? "MODEL_CALL_FAILED" : undefined;
  if (status === 429) return undefined;
  if (status === 401 || status === 403) return "MODEL_KEY_REJECTED";
  if (status === 402) return "MODEL_QUOTA_SPENT";
  const told = readHeader(headers, "x-should-retry");
  const isRetryable = told === "true" || (told !== "false" && (status === 408 || status === 409 || status >= 500));
  return isRetryable ? undefined : "MODEL_CALL_FAILED";
}

/** LiteLLM repeats the status as the code, and says only by the type that a budget is spent. */
const isCode = (value: unknown): value is string => typeof value === "string" && value !== "" && !/^\d+$/.test(value);

function readFacts(error: unknown): Facts {
  const body = field(error, "error");
  const headers = field(error, "headers") ?? field(error, "responseHeaders");
  return {
    status: numberField(error, "status") ?? numberField(error, "statusCode"),
    code: [field(error, "code"), field(body, "code"), field(error, "type"), field(body, "type")].find(isCode),
    text: textField(error, "message") ?? textField(body, "message") ?? "",
    headers,
    requestId: textField(error, "requestID") ?? textField(error, "request_id") ?? readHeader(headers, "x-litellm-call-id"),
    param: textField(error, "param"),
  };
}

/** Codes whose text is about the developer's own set-up: quoting it helps and gives nothing away. */
const QUOTABLE_CODES: ReadonlySet<string> = new Set([
  "model_not_found",
  "invalid_json_schema",
  "invalid_function_parameters",
  "unsupported_parameter",
  "unsupported_value",
  "unknown_parameter",
]);

function describe({ status, code, param, requestId, text }: Facts, sentence: string): string {
  const facts = [
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(code === undefined ? [] : [`code ${code}`]),
    ...(param === undefined ? [] : [`parameter ${param}`]),
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
  ];
  const quoted = code !== undefined && QUOTABLE_CODES.has(code) ? ` ${text}` : "";
  return safeText(`${sentence}${facts.length === 0 ? "" : ` (${facts.join(", ")})`}.${quoted}`);
}

const unavailable = (message: string, retryAfterMs?: number): Failure => ({
  kind: "transient",
  code: "MODEL_UNAVAILABLE",
  message,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

const NETWORK_CODE = /^(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|UND_ERR_)/;

export const isNetworkError = (error: unknown): boolean => {
  const code = textField(error, "code");
  return code !== undefined && NETWORK_CODE.test(code);
};
