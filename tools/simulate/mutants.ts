/**
 * Fleets with one known defect each. An invariant that nobody has seen fail is not one: each mutant must be caught, by one of the
 * invariants that it names. They wrap the store, the queue or the live text; the fleet's own code stays as it is.
 */
import type { LiveText, RunStore } from "../../src/protocol/run-store.ts";
import type { WakeQueue } from "../../src/protocol/wake-queue.ts";
import { isFinal } from "../../src/protocol/run.ts";
import { appendEvent, type MemoryWorld, stamp } from "../../src/testing/memory-run-state.ts";
import type { MemoryWakeQueue } from "../../src/testing/memory-wake-queue.ts";
import { after, before, type Mutant } from "./mutant.ts";
import { CONVERSATION_MUTANTS } from "./mutants-conversations.ts";
import { PAUSE_MUTANTS } from "./mutants-pauses.ts";

const recordTwiceCounts = (store: RunStore, world: MemoryWorld): RunStore => ({
  ...store,
  async record(fact) {
    const known = world.runs.get(fact.runId)?.journals.get(fact.hop)?.has(fact.key) === true;
    const reply = await store.record(fact);
    const run = world.runs.get(fact.runId);
    if (known && run !== undefined)
      run.info.usage = { ...run.info.usage, inputTokens: run.info.usage.inputTokens + fact.usage.inputTokens };
    return reply;
  },
});

const lastWriteWins = (store: RunStore, world: MemoryWorld): RunStore => ({
  ...store,
  async record(fact) {
    const reply = await store.record(fact);
    world.runs.get(fact.runId)?.journals.get(fact.hop)?.set(fact.key, `${fact.valueJson} `);
    return reply;
  },
});

const forgetful = (store: RunStore, world: MemoryWorld): RunStore => ({
  ...store,
  async record(fact) {
    const reply = await store.record(fact);
    if (fact.key.startsWith("m:")) world.runs.get(fact.runId)?.journals.get(fact.hop)?.delete(fact.key);
    return reply;
  },
});

/** Whoever asks for the entries of a journal gets other call ids than were stored. */
const renamingCalls = (store: RunStore): RunStore => ({
  ...store,
  async journal(runId, hop) {
    const entries = await store.journal(runId, hop);
    return new Map([...entries].map(([key, value]) => [key, key.startsWith("m:") ? value.replaceAll(/(call_h\d+)/g, "$1z") : value]));
  },
});

const dropping = (queue: MemoryWakeQueue): MemoryWakeQueue => {
  let count = 0;
  const add: WakeQueue["add"] = (wakes) => queue.add(wakes.filter(() => count++ % 2 === 0));
  return { ...queue, add };
};

const shifted = (live: LiveText): LiveText => ({
  ...live,
  append: (runId, turn, attempt, { offset, text }) => live.append(runId, turn, attempt, { offset, text: text.toUpperCase() }),
});

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  ...CONVERSATION_MUTANTS,
  ...PAUSE_MUTANTS,
  "end-ignores-the-token": {
    what: "an attempt that was superseded ends the run all the same",
    caughtBy: ["superseded-decide-nothing", "one-decision-per-wake"],
    store: before("end", (run, token) => void (run.info.status === "running" && (run.token = token))),
  },
  "end-forgets-dispatch": {
    what: "a run that is queued again has no dispatch entry",
    caughtBy: ["runnable-runs-are-dispatched", "every-run-ends"],
    store: after("end", (run) => void (run.info.status === "queued" && (run.lookAtMs = undefined))),
  },
  "submit-forgets-dispatch": {
    what: "a submitted run has no dispatch entry",
    caughtBy: ["runnable-runs-are-dispatched", "every-run-ends"],
    store: after("submit", (run) => void (run.info.status === "queued" && (run.lookAtMs = undefined))),
  },
  "queue-drops-jobs-without-reconciler": {
    what: "every second job is lost, and nobody looks",
    caughtBy: ["every-run-ends"],
    queue: dropping,
    reconciles: false,
  },
  "journal-forgets": {
    what: "a model call that was acknowledged is not in the journal",
    caughtBy: ["record-answers-what-is-stored", "acknowledged-calls-are-not-made-again"],
    store: forgetful,
  },
  "journal-overwrites": {
    what: "the journal keeps the last value, not the first",
    caughtBy: ["record-answers-what-is-stored", "journal-is-write-once"],
    store: lastWriteWins,
  },
  "journal-renames-calls": {
    what: "a replayed answer has other call ids",
    caughtBy: [
      "idempotency-key-is-the-same",
      "ask-effects-run-once",
      "transcript-as-without-faults",
      "unapproved-effects-do-not-run",
      "approvals-are-not-lost",
      "every-run-ends",
    ],
    store: renamingCalls,
  },
  "usage-counts-repeats": {
    what: "a fact that comes twice is counted twice",
    caughtBy: ["usage-is-the-sum-of-the-journal"],
    store: recordTwiceCounts,
  },
  "intents-are-forgotten": {
    what: "an intent is acknowledged and not kept",
    caughtBy: ["ask-effects-run-once", "intent-before-effect"],
    store: after("openIntent", (run) => run.intents.clear()),
  },
  "lease-is-ignored": {
    what: "a run is given out while another attempt holds it",
    caughtBy: ["lease-is-respected", "deaths-are-real"],
    store: before("begin", (run, _token, world) => void (run.info.status === "running" && (run.lookAtMs = world.clock.nowMs()))),
  },
  "time-is-ignored": {
    what: "a run begins before its time",
    caughtBy: ["not-before-is-respected"],
    // A delayed run has no job before its time, so the reconciler must be early, too.
    store: (store, world) => ({
      ...before("begin", (run) => void (run.info.status === "queued" && delete run.info.notBeforeMs))(store, world),
      due: (limit) => {
        for (const run of world.runs.values()) if (run.info.status === "queued") run.lookAtMs = world.clock.nowMs();
        return store.due(limit);
      },
    }),
  },
  "stale-wakes-begin": {
    what: "a job of an earlier wake begins the run",
    caughtBy: ["only-the-due-wake-begins", "one-decision-per-wake"],
    store: (store, world) => ({
      ...store,
      begin: (command) => {
        const wake = world.runs.get(command.runId)?.info.wake;
        return store.begin({ ...command, wake: wake ?? command.wake });
      },
    }),
  },
  "events-after-the-end": {
    what: "an end that is sent twice writes an event",
    caughtBy: ["no-event-after-the-final-one", "same-end-same-answer", "superseded-decide-nothing"],
    store: after(
      "end",
      (run, world) => void (isFinal(run.info.status) && appendEvent(world, run, { type: "attempt.released", ...stamp(world, run) })),
    ),
  },
  "final-runs-are-cancelled": {
    what: "a cancel changes the state of a run that is over",
    caughtBy: ["final-state-sticks"],
    store: before("cancel", (run) => void (run.info.status === "completed" && (run.info.status = "cancelled"))),
  },
  "cancel-is-forgotten": {
    what: "an acknowledged cancel of a running run has no effect",
    caughtBy: ["cancelled-runs-do-not-complete"],
    store: after("cancel", (run) => void (run.info.status === "running" && (run.stop = undefined))),
  },
  "decisions-are-forgotten": {
    what: "a person's decision is acknowledged and not kept",
    caughtBy: ["decisions-are-write-once"],
    store: after("decide", (run) => run.decisions.clear()),
  },
  "questions-are-forgotten": {
    what: "a suspended run does not know what it waits for",
    caughtBy: ["approvals-are-not-lost", "every-run-ends"],
    store: after("end", (run) => run.approvals.clear()),
  },
  "deaths-are-not-counted": {
    what: "a run whose workers die is taken back without end",
    caughtBy: ["deaths-are-bounded"],
    store: before("look", (run) => void (run.info.deaths = 0)),
  },
  "release-counts-a-retry": {
    what: "a shutdown burns a retry of the run",
    caughtBy: ["released-attempts-count-nothing"],
    store: (store, world) => ({
      ...store,
      async end(command) {
        const reply = await store.end(command);
        const run = world.runs.get(command.runId);
        if (run !== undefined && command.outcome.type === "released" && reply.status === "settled") run.info.retries += 1;
        return reply;
      },
    }),
  },
  "lanes-are-not-timed": {
    what: "a run that waits for a rate limit is never looked at again",
    caughtBy: ["runnable-runs-are-dispatched", "lanes-resume"],
    store: after("end", (run) => void (run.info.suspension === "lane" && (run.lookAtMs = undefined))),
  },
  "deadlines-are-not-timed": {
    what: "nobody looks when a deadline passes",
    caughtBy: ["live-runs-have-a-timer", "deadline-ends-the-run"],
    store: after("submit", (run) => void (run.timerAtMs = undefined)),
  },
  "idempotency-keys-are-forgotten": {
    what: "a repeated submit makes a second run",
    caughtBy: ["one-run-per-idempotency-key"],
    store: (store, world) => ({
      ...store,
      submit: (submission) => {
        world.idem.clear();
        return store.submit(submission);
      },
    }),
  },
  "conflicts-are-duplicates": {
    what: "another input under a known key is answered as if it were the same",
    caughtBy: ["other-input-is-a-conflict"],
    store: (store) => ({
      ...store,
      async submit(submission) {
        const reply = await store.submit(submission);
        return reply.status === "conflict" ? { status: "duplicate", runId: reply.runId } : reply;
      },
    }),
  },
  "resamples-are-not-counted": {
    what: "a bad answer is sampled anew without end",
    caughtBy: ["resamples-are-bounded", "failures-have-a-cause"],
    store: after("end", (run) => void (run.resamples = 0)),
  },
  "wakes-are-not-numbered": {
    what: "a run that is queued again keeps its wake's number",
    caughtBy: ["wake-numbers-increase", "one-decision-per-wake"],
    store: after("end", (run) => void (run.info.status === "queued" && (run.info.wake = Math.max(0, run.info.wake - 1)))),
  },
  "live-text-is-altered": {
    what: "live text is another than the finished text",
    caughtBy: ["follower-text-is-the-final-text"],
    live: shifted,
  },
  "events-are-skipped": {
    what: "a read of events leaves out the first",
    caughtBy: ["follower-sees-every-event-once", "follower-ends-with-the-run"],
    store: (store) => ({
      ...store,
      events: async (runId, afterId, limit) => (await store.events(runId, afterId, limit)).slice(afterId === "0-0" ? 1 : 0),
    }),
  },
  "submit-answers-too-early": {
    what: "a submit is answered before it is stored, and lost now and then",
    caughtBy: ["a-submit-that-was-answered-is-stored", "every-run-ends"],
    store: after(
      "submit",
      (run, world) => void (run.info.runId.endsWith("1") && run.events.length === 1 && world.runs.delete(run.info.runId)),
    ),
  },
};
