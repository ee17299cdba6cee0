/** Turns a client's "no connection" into the one error that a user meets for it. */
import { FleetError, isFleetError } from "../protocol/errors.ts";

const UNREACHABLE_CODES = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ENOENT", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH"]);
const UNREACHABLE_TEXT =
  /Connection is closed|None of startup nodes|CLUSTERDOWN|max retries per request|Command timed out|Stream isn't writeable|ECONNREFUSED|ETIMEDOUT/i;

/** True for what a Redis client throws when the server is away. */
export function isUnreachable(error: unknown): boolean {
  if (isFleetError(error)) return error.code === "BACKEND_UNREACHABLE";
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && UNREACHABLE_CODES.has(error.code)) return true;
  return error.name === "MaxRetriesPerRequestError" || UNREACHABLE_TEXT.test(error.message);
}

/**
 * Awaits a store call.
 * @throws FleetError BACKEND_UNREACHABLE when the store's server is away; other errors pass unchanged.
 */
export async function reach<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (isFleetError(error) || !isUnreachable(error)) throw error;
    throw new FleetError("BACKEND_UNREACHABLE", `Redis did not answer: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
      remedy: "start Redis, or set REDIS_URL to the one that runs; `flotilla doctor` checks it",
    });
  }
}
