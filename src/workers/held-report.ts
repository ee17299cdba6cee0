/**
 * The child's side of supervision: tells what it holds whenever that changes, so that the supervisor can take it back the moment the child
 * is dead. Only differences are sent, once per turn of the event loop, and one message at a time: a supervisor that does not listen costs no
 * memory. What is lost on the way (a death between begin and report) is left to the lease.
 */
import type { HeldRun } from "../protocol/attempt.ts";
import type { FromChild, Started } from "./supervisor-messages.ts";

export interface HeldReport {
  /** The worker is about to take its first job. */
  started(worker: Started): void;
  /** Everything that is held now. */
  held(runs: readonly HeldRun[]): void;
}

/** @param send calls `sent` when the message is on its way; never, when nobody is there any more */
export function createHeldReport(send: (message: FromChild, sent: () => void) => void): HeldReport {
  /** By token: what the supervisor knows. */
  let told: ReadonlyMap<string, string> = new Map();
  let latest: readonly HeldRun[] = [];
  let isScheduled = false;
  const tell = (): void => {
    const now = new Map(latest.map(({ runId, token }) => [token, runId]));
    const added = [...now].filter(([token]) => !told.has(token)).map(([token, runId]) => ({ runId, token }));
    const removed = [...told.keys()].filter((token) => !now.has(token));
    isScheduled = added.length + removed.length > 0;
    if (!isScheduled) return;
    told = now;
    // What changed in the meantime goes next.
    send({ type: "held", added, removed }, () => setImmediate(tell));
  };
  return {
    started: (worker) => send({ type: "started", ...worker }, () => undefined),
    held(runs) {
      latest = runs;
      if (!isScheduled) setImmediate(tell);
      isScheduled = true;
    },
  };
}
