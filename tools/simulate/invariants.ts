/** Every invariant the simulation checks, by name. Nothing here knows how the fleet keeps them. */

export const INVARIANTS = {
  // The record and its events.
  "final-state-sticks": "a final run never changes its state again (I8)",
  "one-final-event": "a final run has exactly one final event, and a live one none (I8)",
  "final-event-names-the-state": "the final event is of the state that the record holds",
  "no-event-after-the-final-one": "nothing is written to a run's events behind the final one",
  "event-ids-increase": "event ids strictly increase",
  "wake-numbers-increase": "a run's wake number never falls, and grows by one at a time (I1)",
  "attempt-numbers-increase": "each attempt that begins has the next number",
  "record-is-valid": "the record and its events have the form that the protocol says",
  // Dispatch and timers.
  "runnable-runs-are-dispatched": "each queued, running or lane-suspended run has a dispatch entry (I3)",
  "waiting-runs-are-not-dispatched":
    "a run that waits for people, or is paused, has no worker, and a dispatch entry only by a deadline or an announcement (I6)",
  "final-runs-hold-nothing": "a final run has no dispatch entry, timer, token, worker or approval",
  "live-runs-have-a-timer": "a run before its deadline has its deadline timer",
  "only-running-runs-have-a-token": "a token stands in the record exactly while an attempt runs",
  "a-submit-that-was-answered-is-stored": "after its answer a submit's run is there (I3)",
  // Taking and leasing.
  "lease-is-respected": "no attempt begins while another one's lease has not lapsed",
  "not-before-is-respected": "no attempt begins before the run's time",
  "only-the-due-wake-begins": "an attempt begins only for the record's present wake, and never for a final or suspended run (I1)",
  "stale-jobs-change-nothing": "a job that is answered stale leaves the run as it was (I1)",
  "one-decision-per-wake": "a wake is settled at most once (I2)",
  "superseded-decide-nothing": "the end of an attempt that was superseded changes nothing (I2)",
  "superseded-open-nothing": "a superseded attempt opens no intent (I2)",
  "same-end-same-answer": "an end that is sent twice gets its first answer (I12)",
  "deaths-are-bounded": "a run is given up when more attempts in a row died than the limit says (I8)",
  "deaths-are-real": "no death is counted without an attempt whose lease lapsed",
  "retries-are-bounded": "a hop is retried at most 8 times (I8)",
  "resamples-are-bounded": "a bad answer is sampled anew at most twice",
  "handoffs-are-bounded": "a run changes hands at most as often as its limit says (I7)",
  "released-attempts-count-nothing": "an attempt that a shutdown released counts no retry, death or resample",
  // Journal and usage.
  "journal-is-write-once": "a journaled value never changes until it is rejected (I2)",
  "record-answers-what-is-stored": "the answer to a record holds the value that is stored",
  "turn-is-journaled-once": "a turn is completed once, unless it was rejected or resampled",
  "turns-increase-without-gaps": "the turns of a run are 1, 2, 3 … in their events' order",
  "usage-is-the-sum-of-the-journal": "the record's usage is the sum over the journaled calls, each counted once",
  "turn-count-is-the-journal": "the record's turns are the journaled top-level calls",
  "acknowledged-calls-are-not-made-again": "no attempt that began after a call's journal write was acknowledged makes this call (I4)",
  "no-call-after-a-stop": "an attempt that was told to stop makes no further model call",
  // Effects.
  "ask-effects-run-once": "an `ask` or `reconcile` effect is not run again unless somebody said that it had not run (I5)",
  "intent-before-effect": "an `ask` or `reconcile` effect begins only under an intent of its own (I5)",
  "idempotency-key-is-the-same": "a call has the same idempotency key in every attempt (I5)",
  "no-intent-after-a-stop": "no intent is opened for a run that was told to stop",
  "unapproved-effects-do-not-run": "a call that needs approval runs only after it was approved, and never when it was refused",
  "decisions-are-write-once": "a decision never changes and is never forgotten",
  "approvals-are-not-lost": "a question stays open until it is decided or its run is final",
  // Idempotency of submit.
  "one-run-per-idempotency-key": "an idempotency key never makes two runs (I12)",
  "same-key-finds-the-first-run": "a repeated submit is answered with the first run's id (I12)",
  "other-input-is-a-conflict": "another input under a known idempotency key is refused",
  // Conversations.
  "turns-are-taken-in-order":
    "a run of a conversation begins only when it stands first among those that are not over, in the order of their submits",
  "no-turn-is-lost-or-doubled": "a conversation holds exactly the turns of its completed runs, each once, in the order in which they ended",
  "turns-are-whole": "a turn is its run's input and all that came of it",
  "earlier-turns-are-shown": "an attempt is shown what the completed runs before it left, and nothing else",
  // Stopping.
  "cancelled-runs-do-not-complete": "a run whose cancel was acknowledged never completes",
  "expiry-is-after-the-deadline": "no run expires before its deadline",
  "failures-have-a-cause": "a run fails only for a reason that really happened",
  "cancel-has-a-cause": "a run is cancelled only when somebody asked",
  // Pausing.
  "paused-runs-make-no-progress": "no attempt begins for a run that is paused, and nothing is parked without a pause or a resume under way",
  "resumes-lose-none": "when nothing is paused any more, no run stays parked",
  // What it all comes to.
  "every-run-ends": "when faults stop, and people answer, every submitted run ends (I8)",
  "deadline-ends-the-run": "when its deadline has passed, a run ends",
  "lanes-resume": "a run that waited for a rate limit goes on",
  "nothing-hangs": "when every run has ended, no attempt, reconciler or follower is left waiting",
  "output-as-without-faults": "a completed run's output is that of a run without faults",
  "transcript-as-without-faults": "a completed run's transcript is that of a run without faults",
  "context-as-without-faults": "a completed run's context is that of a run without faults",
  "effects-as-without-faults": "a completed run's effects are those of a run without faults, each at least once",
  "result-agrees-with-the-record": "what the producer's handle answers is what the record holds",
  // Followers.
  "follower-sees-every-event-once": "a follower sees each durable event once and in order, whatever the reconnects",
  "follower-text-is-the-final-text": "the live text a follower was shown for a turn is the turn's finished text",
  "follower-ends-with-the-run": "a follower's stream ends behind the final event",
} as const;

export type InvariantName = keyof typeof INVARIANTS;

export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
  readonly invariant: InvariantName;

  constructor(invariant: InvariantName, detail: string) {
    super(detail);
    this.invariant = invariant;
  }
}

/** How often each invariant was looked at. */
export type CheckCounts = Record<InvariantName, number>;

// Object.fromEntries forgets the keys' type; they are exactly those of INVARIANTS.
export const noCounts = (): CheckCounts => Object.fromEntries(Object.keys(INVARIANTS).map((name) => [name, 0])) as CheckCounts;

export interface Checker {
  readonly counts: CheckCounts;
  /** The first violation; what comes after it may only follow from it. */
  readonly first: InvariantViolation | undefined;
  check(name: InvariantName, holds: boolean, detail: () => string): void;
}

export function createChecker(): Checker {
  const counts = noCounts();
  let first: InvariantViolation | undefined;
  return {
    counts,
    get first() {
      return first;
    },
    check(name, holds, detail) {
      counts[name] += 1;
      if (!holds) first ??= new InvariantViolation(name, detail());
    },
  };
}
