/**
 * Shutdown: stop taking, let each run finish its present durable step, then release it unharmed. Giving back at once would pay in-flight
 * model calls twice and strand effects as unknown.
 */
import type { Clock } from "../clock.ts";
import type { HeldRuns } from "./held-runs.ts";

/** Resolves when nothing is held, at the latest shortly after `graceMs`. */
export async function letGo(held: HeldRuns, clock: Clock, graceMs: number): Promise<void> {
  held.drain();
  const ended = new AbortController();
  const idle = held.idle().then(() => ended.abort());
  await clock.sleep(graceMs, ended.signal);
  for (const run of held.all()) run.abort("shutdown");
  const stuck = new AbortController();
  await Promise.race([idle, clock.sleep(RELEASE_MS, stuck.signal)]);
  stuck.abort();
}

/** How long an aborted attempt may take to settle; what takes longer is taken over by its lease. */
const RELEASE_MS = 2_500;
