/** Keeps what ignores its signal from holding a slot and a run. */
import type { Clock } from "../clock.ts";
import type { Attempt, Outcome } from "../protocol/attempt.ts";
import type { Log } from "../telemetry/log.ts";
import type { HeldRun } from "./held-runs.ts";

/**
 * A tool may ignore its signal and never end. Its slot and its run must not wait for it: a cancel, a deadline and a shutdown settle the run
 * without it. What it says later is still recorded as a fact.
 */
export async function unlessStuck(
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  attempt: Attempt,
  held: HeldRun,
  work: Promise<Outcome | undefined>,
): Promise<Outcome | undefined> {
  const ended = new AbortController();
  const stuck = Promise.withResolvers<Outcome | undefined>();
  const stopped = async (): Promise<void> => {
    await clock.sleep(STOP_GRACE_MS, ended.signal);
    if (ended.signal.aborted) return;
    const { runId, agent } = attempt;
    log.warn({ event: "attempt.stuck", runId, agent, why: held.aborted() }, "something ignores its signal; the run is settled without it");
    stuck.resolve(stoppedOutcome(held));
  };
  const onAbort = (): void => void stopped();
  held.signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, stuck.promise]);
  } finally {
    // By hand: the listener option `signal` costs ten times as much, for every attempt.
    held.signal.removeEventListener("abort", onAbort);
    // With a reason, because the default one is an exception with a stack.
    ended.abort("ended");
  }
}

/** How long a stopped attempt may take to end by itself; shorter than what a shutdown waits for. Milliseconds. */
const STOP_GRACE_MS = 2_000;

function stoppedOutcome(held: HeldRun): Outcome | undefined {
  const why = held.aborted();
  if (why === "superseded" || why === undefined) return undefined;
  return why === "shutdown" || why === "paused" ? { type: "released" } : { type: why };
}
