/**
 * One HTTP call to the Message Batches API, by path below the route's own address and nowhere else: a redirect is not followed, because key and
 * prompts would go along. What fails is thrown as the failure table knows it (classify.ts).
 */
import { FleetError } from "../../protocol/errors.ts";
import { type Access, pickAccess, type ResolveCredentials } from "../access.ts";
import { authHeaders, originOf } from "../anthropic/endpoint.ts";
import { errorOfResponse, MessagesApiError, MessagesConnectionError } from "../anthropic/errors.ts";
import type { Route } from "../routes.ts";

export interface BatchCall {
  readonly method: "GET" | "POST" | "DELETE";
  /** Behind `/v1/messages/batches`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

export type SendCall = (call: BatchCall) => Promise<Response>;

export interface SenderOptions {
  readonly route: Route;
  readonly tenant: string;
  readonly credentials: ResolveCredentials | undefined;
  readonly fetch: typeof globalThis.fetch;
}

export function createSender({ route, tenant, credentials, fetch }: SenderOptions): SendCall {
  return async ({ method, path, headers, body, signal }) => {
    signal?.throwIfAborted();
    const access = pickAccess(route, await credentials?.({ tenant, provider: route.provider }));
    const response = await asConnection(signal, () =>
      fetch(`${baseOf(route, access)}/v1/messages/batches${path}`, {
        method,
        headers: {
          ...authHeaders(route.provider, access.apiKey),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        redirect: "manual",
        ...(body === undefined ? {} : { body }),
        signal: signal ?? null,
      }),
    );
    if (response.ok) return response;
    if (isRedirect(response)) throw await redirected(response, route);
    throw await asConnection(signal, () => errorOfResponse(response));
  };
}

/** A proxy passes everything below `/anthropic` through. */
const baseOf = ({ provider }: Route, { baseURL }: Access): string => `${originOf(baseURL)}${provider === "litellm" ? "/anthropic" : ""}`;

/** Browsers and some clients hide the status of a redirect that they did not follow. */
const isRedirect = ({ status, type }: Response): boolean => type === "opaqueredirect" || (status >= 300 && status < 400);

async function redirected(response: Response, { provider, keyVariable }: Route): Promise<FleetError> {
  await response.body?.cancel();
  const variable = provider === "litellm" ? "LITELLM_BASE_URL" : "ANTHROPIC_BASE_URL";
  return new FleetError(
    "MODEL_CALL_FAILED",
    `The provider redirects to another address (status ${response.status}), which is not followed.`,
    {
      at: variable,
      remedy: `set ${variable} to the address that answers, because ${keyVariable.split(" ")[0] ?? "the key"} is sent to no other`,
    },
  );
}

/** What `fetch` throws says little: the connection failed, unless it was the caller who ended it. */
export async function asConnection<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MessagesApiError) throw error;
    if (signal?.aborted === true) throw signal.reason;
    throw new MessagesConnectionError("The connection to the provider failed.", { cause: error });
  }
}
