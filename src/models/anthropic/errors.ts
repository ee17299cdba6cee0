/** Failures of the Messages API, in the shape that `classify.ts` reads. */
import { errorBodySchema } from "./wire.ts";

export class MessagesApiError extends Error {
  /** The name by which the failure table knows what a provider's client threw. */
  override readonly name = "APIError";
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly headers: Headers | undefined;
  readonly requestID: string | undefined;

  constructor(message: string, facts: { readonly status?: number; readonly type?: string | undefined; readonly headers?: Headers }) {
    super(message);
    this.status = facts.status;
    this.type = facts.type;
    this.headers = facts.headers;
    this.requestID = facts.headers?.get("request-id") ?? undefined;
  }
}

export class MessagesConnectionError extends Error {
  override readonly name = "APIConnectionError";
}

/** An error that comes inside a stream has no status, but its type has one. */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

export const errorOfType = (type: string, message: string): MessagesApiError =>
  new MessagesApiError(message, { status: STATUS[type] ?? 500, type });

export async function errorOfResponse(response: Response): Promise<MessagesApiError> {
  const text = await response.text();
  const { status, headers } = response;
  try {
    const { error } = errorBodySchema.parse(JSON.parse(text));
    return new MessagesApiError(error.message ?? "", { status, headers, type: error.type ?? undefined });
  } catch {
    // A proxy in between answers with a page of its own.
    return new MessagesApiError(`The provider answers ${status} without an error body.`, { status, headers });
  }
}
