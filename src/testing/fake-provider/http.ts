/** Bodies in and errors out, in the form that each API gives them. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type FakeCall, isRecord } from "./call.ts";
import type { FakeReply } from "./reply.ts";

export async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>> | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return isRecord(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

const OPENAI_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "invalid_request_error",
  404: "invalid_request_error",
  429: "rate_limit_error",
};

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

interface ErrorText {
  readonly errorCode?: string | undefined;
  readonly errorMessage?: string | undefined;
}

const defaultText = (status: number): string => `The fake provider answers ${status}.`;

/** Anthropic has no codes beside its types. */
export const anthropicError = (status: number, { errorCode, errorMessage }: ErrorText): unknown => ({
  type: "error",
  error: { type: errorCode ?? ANTHROPIC_TYPES[status] ?? "api_error", message: errorMessage ?? defaultText(status) },
});

export function sendError(
  response: ServerResponse,
  api: FakeCall["api"],
  { status = 500, errorCode, errorMessage }: Pick<FakeReply, "status" | "errorCode" | "errorMessage">,
): void {
  if (api === "messages") return sendJson(response, status, anthropicError(status, { errorCode, errorMessage }));
  const type = errorCode === "insufficient_quota" ? errorCode : (OPENAI_TYPES[status] ?? "server_error");
  sendJson(response, status, { error: { message: errorMessage ?? defaultText(status), type, code: errorCode ?? null, param: null } });
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
