/** Retries failed runs of one reason, in pages from an index. */
import type { FleetError } from "../protocol/errors.ts";
import { isFleetError } from "../protocol/errors.ts";
import type { FailureQuery, RunStore } from "../protocol/run-store.ts";
import { isUnreachable, reach } from "./backend.ts";
import { runPages } from "./run-pages.ts";

export type Retried =
  | { readonly runId: string; readonly continuedAs: string }
  /** The others went on. */
  | { readonly runId: string; readonly error: FleetError };

/** Side by side: each reads its source and writes the new run. */
const AT_ONCE = 10;

/** Newest first, so that what fails again meanwhile is not met again. @throws FleetError BACKEND_UNREACHABLE: call it again, a run is retried once. */
export async function* retryMany(
  store: RunStore,
  retry: (runId: string) => Promise<{ readonly id: string }>,
  query: FailureQuery & { readonly code: string },
): AsyncGenerator<Retried, void> {
  for (const { code, agent } of await reach(store.failures(query))) {
    for await (const page of runPages(store, { failure: { code, agent }, tenant: query.tenant })) {
      for (let from = 0; from < page.length; from += AT_ONCE) {
        yield* await Promise.all(page.slice(from, from + AT_ONCE).map(({ runId }) => retryOne(retry, runId)));
      }
    }
  }
}

async function retryOne(retry: (runId: string) => Promise<{ readonly id: string }>, runId: string): Promise<Retried> {
  try {
    return { runId, continuedAs: (await retry(runId)).id };
  } catch (error) {
    if (!isFleetError(error) || isUnreachable(error)) throw error;
    return { runId, error };
  }
}
