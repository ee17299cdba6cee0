/** Approvals, conversations and cancels: what a good one looks like to the verdict, and each way to go wrong planted once. */
import { describe, expect, test } from "vitest";
import { isGood, judge } from "../../../tools/chaos/count.ts";
import type { EffectLine } from "../../../tools/chaos/effects.ts";
import type { CallEntry, DecisionEvidence, Evidence, RunEvidence, TalkEvidence } from "../../../tools/chaos/evidence.ts";
import { expectedOutput, type Job, type ToolName, type Word } from "../../../tools/chaos/jobs.ts";
import { linesOf, turnLines } from "../../../tools/chaos/transcript.ts";

/** Each job has a second of its own. */
const startMs = (number: number): number => number * 1_000;
const runIdOf = (number: number): string => `r0-${number}`;

const said = (word: Word, answer: DecisionEvidence["answer"] = "acknowledged", sentAtMs = startMs(1) + 300): DecisionEvidence => ({
  word,
  answer,
  sentAtMs,
});

const effect = (job: number, tool: ToolName, atMs: number, key = `${runIdOf(job)}/${tool}`): EffectLine => ({
  phase: "effect",
  tool,
  job,
  key,
  pid: 100,
  atMs,
  ms: 0,
});
const usual = (job: number): EffectLine[] => [effect(job, "note", startMs(job) + 30), effect(job, "charge", startMs(job) + 90)];
const refund = (key?: string): EffectLine => effect(1, "refund", startMs(1) + 400, key);

const callsOf = (job: number, shown: readonly string[] = []): CallEntry[] =>
  [0, 1, 2, 3, 4].map((turn) => ({ job, turn, worker: "worker-0", atMs: startMs(job) + turn * 100, served: true, shown }));

const runOf = (job: Job, changes: Partial<RunEvidence> = {}): RunEvidence => ({
  job,
  runId: runIdOf(job.number),
  foundByKey: runIdOf(job.number),
  status: "completed",
  output: expectedOutput(
    job,
    changes.decisions?.some(({ word }) => word === "approve"),
  ),
  steps: [0, 1, 2, 3, 4].map((turn) => ({ type: "turn.completed", atMs: 0, hop: 0, turn })),
  resolved: { ran: 0, notRun: 0 },
  decisions: [],
  cancel: undefined,
  ...changes,
});

const never = (): never => {
  throw new Error("There is no such thing.");
};

const judged = (changes: Partial<Evidence>) =>
  judge({ runs: [], calls: [], effects: [], talks: [], faults: [], pids: new Map(), ...changes });

describe("a refund", () => {
  const ASKING: Job = { number: 1, value: 20, refund: true };
  const after = (decisions: readonly DecisionEvidence[], effects: readonly EffectLine[], changes: Partial<RunEvidence> = {}) =>
    judged({ runs: [runOf(ASKING, { decisions, ...changes })], effects: [...usual(1), ...effects] });
  const refused = { output: expectedOutput(ASKING, false) };

  const fine: readonly (readonly [name: string, verdict: ReturnType<typeof judge>])[] = [
    ["that was approved takes effect", after([said("approve")], [refund()])],
    ["that was rejected does not, and the answer says so", after([said("reject")], [], refused)],
    ["that two people fought over follows the one who was told yes", after([said("reject"), said("approve", "refused")], [], refused)],
    ["may follow either word when no reply came", after([said("approve", "unanswered"), said("reject", "unanswered")], [], refused)],
    ["may follow a word whose second sending was refused", after([said("approve", "unanswered"), said("approve", "refused")], [refund()])],
    ["may be approved and cancelled before it is made", after([said("approve")], [], { status: "cancelled", cancel: "cancelled" })],
  ];
  test.each(fine)("%s", (_name, verdict) => {
    expect(verdict.problems).toEqual([]);
    expect(isGood(verdict)).toBe(true);
  });

  const early = { ...refund(), phase: "enter", atMs: startMs(1) + 200 } as const;
  const lost: readonly (readonly [name: string, verdict: ReturnType<typeof judge>, why: RegExp])[] = [
    [
      "approved, and never went on",
      after([said("approve")], [], { status: "suspended approval" }),
      /was decided and is suspended approval/,
    ],
    ["approved, and never made", after([said("approve")], [], refused), /was approved, and its tool never took effect/],
    ["rejected, and made", after([said("reject")], [refund()], { output: expectedOutput(ASKING, true) }), /without an approval/],
    ["made on a word that was refused", after([said("reject"), said("approve", "refused")], [refund()]), /without an approval/],
    ["entered before it was approved", after([said("approve")], [early, refund()]), /without an approval/],
    [
      "rejected and made, in a run that was cancelled",
      after([said("reject")], [refund()], { status: "cancelled", cancel: "requested" }),
      /without/,
    ],
    ["never decided, and left out", after([], [], refused), /went on without a decision/],
  ];
  test.each(lost)("is a lost approval when %s", (_name, verdict, why) => {
    expect(verdict.approvalsLost).toBe(1);
    expect(verdict.problems.filter((line) => why.test(line))).toHaveLength(1);
    expect(isGood(verdict)).toBe(false);
  });

  test("is decided twice when it is made under two keys, or two opposite words are acknowledged", () => {
    const twoKeys = after([said("approve")], [refund(), refund("r0-1/other")]);
    expect(twoKeys).toMatchObject({ decisionsTwice: 1, approvalsLost: 0, effectsRepeated: 0 });
    const bothWords = after([said("approve"), said("reject")], [refund()]);
    expect(bothWords).toMatchObject({ decisionsTwice: 1, approvalsLost: 0 });
    for (const verdict of [twoKeys, bothWords]) {
      expect(verdict.problems).toEqual([expect.stringContaining("decided twice")]);
      expect(isGood(verdict)).toBe(false);
    }
  });

  test("is a repeated effect when it is made twice under one key", () => {
    expect(after([said("approve")], [refund(), refund()])).toMatchObject({ effectsRepeated: 1, decisionsTwice: 0 });
  });

  test("makes the run divergent when its answer does not say what became of it", () => {
    expect(after([said("approve")], [refund()], refused)).toMatchObject({ divergent: 1, approvalsLost: 0 });
  });
});

test("a completed run without the event of one of its turns is named", () => {
  const [first = never(), ...others] = runOf({ number: 1, value: 2 }).steps;
  const verdict = judged({ runs: [runOf({ number: 1, value: 2 }, { steps: [first, ...others.slice(1)] })], effects: usual(1) });
  expect(verdict.problems).toEqual(["turns held: job 1 (r0-1) completed with events of turns 0, 2, 3, 4"]);
});

describe("a cancel", () => {
  const JOB: Job = { number: 1, value: 20, cancelAfterMs: 5 };
  const after = (status: string, cancel: RunEvidence["cancel"]) => judged({ runs: [runOf(JOB, { status, cancel })], effects: usual(1) });

  test.each(["cancelled", "requested"] as const)("that was answered with %s is counted when the run completes", (answer) => {
    const verdict = after("completed", answer);
    expect(verdict).toMatchObject({ cancelledCompleted: 1, problems: [expect.stringContaining("cancelled and completed")] });
    expect(isGood(verdict)).toBe(false);
    expect(after("cancelled", answer)).toMatchObject({ cancelledCompleted: 0, lost: 0, cancelled: 1, problems: [] });
  });

  test("that came too late, or was never answered, may leave a completed run", () => {
    for (const answer of ["already-final", "unanswered"] as const)
      expect(after("completed", answer)).toMatchObject({ cancelledCompleted: 0, problems: [] });
  });

  test("that nobody asked for is a lost run", () => {
    expect(after("cancelled", undefined)).toMatchObject({ lost: 1, cancelled: 0 });
    expect(after("cancelled", "already-final")).toMatchObject({ lost: 1, cancelled: 0 });
  });

  test("that leaves the run unfinished is a lost run", () => {
    expect(after("running", "requested")).toMatchObject({ lost: 1, cancelled: 0 });
  });
});

describe("a conversation", () => {
  const jobAt = (number: number): Job => ({ number, value: number * 7, talk: "talk-0" });
  const [first, second, third] = [jobAt(1), jobAt(2), jobAt(3)];
  const plain: Job = { number: 4, value: 5 };
  const linesOfTurn = (job: Job): string[] => turnLines(job, false);
  const kept = (...jobs: readonly Job[]): TalkEvidence[] => [
    { id: "talk-0", turns: jobs.map((job) => ({ runId: runIdOf(job.number), lines: linesOfTurn(job) })) },
  ];
  const past = (...jobs: readonly Job[]): string[] => jobs.flatMap(linesOfTurn);
  const calls = (ofThird: readonly string[]): CallEntry[] => [
    ...callsOf(1),
    ...callsOf(2, past(first)),
    ...callsOf(3, ofThird),
    ...callsOf(4),
  ];
  const runs = [runOf(first), runOf(second), runOf(third), runOf(plain)];
  const effects = [1, 2, 3, 4].flatMap(usual);
  const talk = (changes: Partial<Evidence>) =>
    judged({ runs, effects, calls: calls(past(first, second)), talks: kept(first, second, third), ...changes });

  test("whose runs took turns is good", () => {
    expect(talk({})).toMatchObject({ turnsOutOfOrder: 0, talked: 3, problems: [] });
  });

  test("is good without the turn of a run that was cancelled", () => {
    const withCancelled = [runOf(first), runOf(second, { status: "cancelled", cancel: "requested" }), runOf(third), runOf(plain)];
    expect(talk({ runs: withCancelled, calls: calls(past(first)), talks: kept(first, third) })).toMatchObject({
      turnsOutOfOrder: 0,
      lost: 0,
    });
    const half = [...past(first), ...past(second).slice(0, 4)];
    expect(talk({ runs: withCancelled, calls: calls(half), talks: kept(first, third) })).toMatchObject({ turnsOutOfOrder: 1 });
  });

  const interleaved = calls(past(first, second));
  // The third run's first call comes before the second run's last one.
  interleaved.splice(9, 0, ...interleaved.splice(10, 1));
  const wrong: readonly (readonly [name: string, changes: Partial<Evidence>])[] = [
    ["an earlier turn is missing", { calls: calls(past(first)) }],
    ["an earlier turn is doubled", { calls: calls(past(first, second, second)) }],
    ["an earlier turn is only half there", { calls: calls([...past(first), ...past(second).slice(0, -1)]) }],
    ["a result is missing in it", { calls: calls(past(first, second).filter((line) => line !== "answer note: noted 15")) }],
    ["the earlier turns are in another order", { calls: calls(past(second, first)) }],
    ["one of a run's calls shows another past than the others", { calls: calls(past(first, second)).with(12, callsOf(3)[2] ?? never()) }],
    ["a run begins before the one before it has ended", { calls: interleaved }],
    ["a run that is in none is shown one", { calls: [...calls(past(first, second)).slice(0, -5), ...callsOf(4, past(first))] }],
    ["what is kept lacks a turn", { talks: kept(first, third) }],
    ["what is kept has a turn twice", { talks: kept(first, second, second, third) }],
    ["what is kept is in another order", { talks: kept(second, first, third) }],
  ];
  test.each(wrong)("is out of order when %s", (_name, changes) => {
    const verdict = talk(changes);
    expect(verdict).toMatchObject({ turnsOutOfOrder: 1, problems: [expect.stringContaining("turns out of order")] });
    expect(isGood(verdict)).toBe(false);
  });
});

test("the provider's items and the conversation's read as the same lines", () => {
  const sent = [
    { role: "user", content: "hello" },
    { type: "function_call", call_id: "c1", name: "note", arguments: "{}" },
    { type: "function_call_output", call_id: "c1", output: "noted 3" },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "bye" }] },
  ];
  const kept = [
    { type: "message", role: "user", content: "hello" },
    { type: "function_call", callId: "c1", name: "note", arguments: "{}" },
    { type: "function_call_result", callId: "c1", name: "note", output: { type: "text", text: "noted 3" } },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "bye" }] },
  ];
  expect(linesOf(sent)).toEqual(["user hello", "call note", "answer note: noted 3", "assistant bye"]);
  expect(linesOf(kept)).toEqual(linesOf(sent));
});
