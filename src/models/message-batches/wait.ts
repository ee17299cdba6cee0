/** Looks at a batch now and then until it has ended. Most take minutes, none more than a day. */
import type { Clock } from "../../clock.ts";
import { FleetError } from "../../protocol/errors.ts";
import { callFailureOf, pauseAfterFailure, toFleetError } from "./failures.ts";
import type { MessageBatch } from "./wire.ts";

export interface MessageBatchWait {
  readonly signal?: AbortSignal;
  /** Milliseconds. Default 25 hours: Anthropic ends every batch after 24. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 25 * 60 * 60_000;
/** A week. A timer of more than 24 days would end at once. */
const MAX_TIMEOUT_MS = 7 * 24 * 60 * 60_000;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
const PAUSE_GROWTH = 1.5;

/** @throws FleetError WAIT_ABORTED, and at once for what waiting does not mend. A provider that is away is waited for. */
export async function waitForEnd(
  id: string,
  look: (signal: AbortSignal) => Promise<MessageBatch>,
  { signal, timeoutMs = TIMEOUT_MS, clock }: MessageBatchWait & { readonly clock: Clock },
): Promise<MessageBatch> {
  if (!(timeoutMs >= 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
    throw new FleetError("INPUT_INVALID", `Expected a timeout of 0 to ${MAX_TIMEOUT_MS} ms; got ${timeoutMs}.`, { at: "timeoutMs" });
  }
  const late = new AbortController();
  const done = new AbortController();
  void clock.sleep(timeoutMs, done.signal).then(() => late.abort("late"));
  const over = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * PAUSE_GROWTH, LONGEST_PAUSE_MS)) {
      if (over.aborted) throw waitAborted(id, signal?.aborted === true ? "by its signal" : `after ${timeoutMs} ms`);
      const seen = await lookOnce(look, over, clock);
      if (seen?.batch?.status === "ended") return seen.batch;
      await clock.sleep(pauseAfterFailure(seen ?? {}, pauseMs), over);
    }
  } finally {
    done.abort("done");
  }
}

interface Look {
  readonly batch?: MessageBatch;
  readonly retryAfterMs?: number;
}

/** Undefined when the look was ended with the wait. */
async function lookOnce(look: (signal: AbortSignal) => Promise<MessageBatch>, over: AbortSignal, clock: Clock): Promise<Look | undefined> {
  try {
    return { batch: await look(over) };
  } catch (error) {
    if (over.aborted) return undefined;
    const failure = callFailureOf(error, clock.nowMs());
    if (failure === undefined || failure.kind === "final") throw toFleetError(error, clock.nowMs(), "messageBatches.wait");
    return failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs };
  }
}

const waitAborted = (id: string, how: string): FleetError =>
  new FleetError("WAIT_ABORTED", `The wait for message batch ${id} was ended ${how}; the batch goes on.`, {
    at: id,
    remedy: "wait for it again, or cancel it",
  });
