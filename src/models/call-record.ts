/**
 * What one model call leaves behind on its way through HTTP. The SDK hides requests and responses, so the call's record travels beside it:
 * each call has its own, so that what is sent for one tenant is never sent for another (I11).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { attributionHeaders, type Caller } from "./attribution.ts";
import type { Route } from "./routes.ts";

export interface CallRecord {
  readonly caller: Caller | undefined;
  /** Of the answer, once there is one. */
  headers: Headers | undefined;
}

const records = new AsyncLocalStorage<CallRecord>();

export const inCall = <T>(record: CallRecord, work: () => T): T => records.run(record, work);

/** Keeps the answer's headers, and tells a LiteLLM proxy whose call it is. Nobody else is told. */
export const recordingFetch =
  (fetch: typeof globalThis.fetch, { provider }: Route): typeof globalThis.fetch =>
  async (input, init) => {
    const record = records.getStore();
    const headers = new Headers(init?.headers);
    if (provider === "litellm" && record?.caller !== undefined) {
      for (const [name, value] of Object.entries(attributionHeaders(record.caller))) headers.set(name, value);
    }
    const response = await fetch(input, { ...init, headers });
    if (record !== undefined) record.headers = response.headers;
    return response;
  };
