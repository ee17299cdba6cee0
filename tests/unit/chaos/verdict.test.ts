/** A verdict that nobody has seen turn bad is none: each violation is planted here once, in evidence that is otherwise good. */
import { describe, expect, test } from "vitest";
import { isGood, judge } from "../../../tools/chaos/count.ts";
import type { EffectLine } from "../../../tools/chaos/effects.ts";
import type { CallEntry, Evidence, Fault, RunEvidence, RunStep } from "../../../tools/chaos/evidence.ts";
import { expectedOutput, HOP_OF_TURN, type Job, type ToolName } from "../../../tools/chaos/jobs.ts";

const JOB: Job = { number: 7, value: 20 };
const RUN_ID = "r0-chaos";
const [FIRST, SECOND] = ["worker-0", "worker-1"];
const PIDS = new Map([
  [FIRST, 100],
  [SECOND, 200],
]);

const attempt = (atMs: number, hop: number, pid = 100): RunStep => ({ type: "attempt.started", atMs, hop, pid });
const turn = (atMs: number, number: number): RunStep => ({ type: "turn.completed", atMs, hop: HOP_OF_TURN[number] ?? 0, turn: number });
const step = (type: string, atMs: number, hop: number): RunStep => ({ type, atMs, hop });
const call = (number: number, atMs: number, worker = FIRST): CallEntry => ({ job: 7, turn: number, worker, atMs, served: true, shown: [] });
const effect = (tool: ToolName, atMs: number, key = `${RUN_ID}/${tool}`): EffectLine => ({
  phase: "effect",
  tool,
  job: 7,
  key,
  pid: 100,
  atMs,
  ms: 0,
});
const fault = (atMs: number, more: Partial<Fault> = {}): Fault => ({
  kind: "kill",
  worker: FIRST,
  pid: 100,
  atMs,
  endMs: atMs,
  note: "",
  ...more,
});

const OPENER = [attempt(10, 0), turn(30, 0), turn(50, 1), step("run.handed-off", 60, 0)];
const MIDDLE = [attempt(70, 1), turn(90, 2), turn(110, 3), step("run.handed-off", 120, 1)];
const CLOSER = [attempt(130, 2), turn(150, 4), step("run.completed", 160, 2)];
const STEPS: readonly RunStep[] = [...OPENER, ...MIDDLE, ...CLOSER];
const CALLS: readonly CallEntry[] = [call(0, 20), call(1, 40), call(2, 80), call(3, 100), call(4, 140)];

const goodRun = (changes: Partial<RunEvidence> = {}): RunEvidence => ({
  job: JOB,
  runId: RUN_ID,
  foundByKey: RUN_ID,
  status: "completed",
  output: expectedOutput(JOB),
  steps: STEPS,
  resolved: { ran: 0, notRun: 0 },
  decisions: [],
  cancel: undefined,
  ...changes,
});
const evidence = (changes: Partial<Evidence> = {}): Evidence => ({
  runs: [goodRun()],
  talks: [],
  calls: CALLS,
  effects: [effect("note", 35), effect("charge", 95)],
  faults: [],
  pids: PIDS,
  ...changes,
});

test("a run that nothing disturbed is good, and all its calls are held", () => {
  const verdict = judge(evidence());
  expect(verdict).toMatchObject({ lost: 0, doubled: 0, paidTwice: 0, repeatedInFlight: 0, effectsRepeated: 0, divergent: 0 });
  expect(verdict).toMatchObject({ callsServed: 5, turnsHeld: 5, problems: [] });
  expect(isGood(verdict)).toBe(true);
});

describe("a violation is counted and named", () => {
  const cases: readonly (readonly [name: string, key: string, changes: Partial<Evidence>])[] = [
    ["a run that failed is lost", "lost", { runs: [goodRun({ status: "failed RUN_CRASHED" })] }],
    ["a run that is gone is lost", "lost", { runs: [goodRun({ status: "missing" })] }],
    ["two final events are doubled", "doubled", { runs: [goodRun({ steps: [...STEPS, step("run.completed", 170, 2)] })] }],
    ["a key that finds another run is doubled", "doubled", { runs: [goodRun({ foundByKey: "r0-other" })] }],
    ["another output is divergent", "divergent", { runs: [goodRun({ output: expectedOutput({ ...JOB, value: 21 }) })] }],
    ["a completed run without its effect is divergent", "divergent", { effects: [effect("note", 35)] }],
    [
      "a second charge is a repeated effect",
      "effectsRepeated",
      { effects: [effect("note", 35), effect("charge", 95), effect("charge", 96)] },
    ],
    [
      "a second key of the idempotent tool is a repeated effect",
      "effectsRepeated",
      { effects: [effect("note", 35), effect("note", 36, `${RUN_ID}/other`), effect("charge", 95)] },
    ],
  ];
  test.each(cases)("%s", (_name, key, changes) => {
    const verdict = judge(evidence(changes));
    expect(verdict).toMatchObject({ [key]: 1 });
    expect(verdict.problems).toHaveLength(1);
    expect(isGood(verdict)).toBe(false);
  });
});

test("the idempotent tool may leave its one key twice", () => {
  expect(isGood(judge(evidence({ effects: [effect("note", 35), effect("note", 36), effect("charge", 95)] })))).toBe(true);
});

describe("a call that is made again", () => {
  /** The first worker asked turn 2 at 80 and died at 85; its answer was never journaled. The second took over at 6 000. */
  const takenOver: readonly RunStep[] = [
    ...STEPS.slice(0, 5),
    attempt(6_000, 1, 200),
    turn(6_050, 2),
    turn(6_100, 3),
    step("run.completed", 6_200, 1),
  ];
  const again = [call(0, 20), call(1, 40), call(2, 80), call(2, 6_010, SECOND), call(3, 6_060, SECOND)];
  const late = { effects: [effect("note", 35), effect("charge", 6_055)] };

  test("is in flight where a kill cut it off before it was journaled", () => {
    const verdict = judge(evidence({ ...late, runs: [goodRun({ steps: takenOver })], calls: again, faults: [fault(85)] }));
    expect(verdict).toMatchObject({ repeatedInFlight: 1, paidTwice: 0, kills: 1 });
    expect(verdict.recoveryMs).toEqual({ p50: 5_915, p95: 5_915, p99: 5_915 });
  });

  test("is paid twice where no fault explains it", () => {
    const other = [fault(85, { worker: "worker-9", pid: 900 })];
    expect(judge(evidence({ ...late, runs: [goodRun({ steps: takenOver })], calls: again, faults: other }))).toMatchObject({
      paidTwice: 1,
    });
  });

  test("is paid twice where its attempt began after the answer was journaled, kill or not", () => {
    const journaled = [...STEPS.slice(0, 6), attempt(6_000, 1, 200), turn(6_100, 3), step("run.completed", 6_200, 1)];
    const verdict = judge(evidence({ ...late, runs: [goodRun({ steps: journaled })], calls: again, faults: [fault(95)] }));
    expect(verdict).toMatchObject({ paidTwice: 1, repeatedInFlight: 0 });
  });

  test("is paid twice where the tool that it asked for had been entered, whatever the fleet's own events say", () => {
    const entered: EffectLine = { ...effect("charge", 84), phase: "enter" };
    const given = evidence({
      runs: [goodRun({ steps: takenOver })],
      calls: again,
      faults: [fault(85)],
      effects: [...late.effects, entered],
    });
    expect(judge(given)).toMatchObject({ paidTwice: 1, repeatedInFlight: 0 });
  });

  test("is counted apart, once for each attempt, where the attempt did not know that it was superseded", () => {
    // The first worker was cut off at 85 and healed at 6 300: it asks turn 3 although the second one has it journaled.
    const cut = [fault(85, { kind: "net", endMs: 6_300 })];
    const blind = [...again, call(3, 6_310)];
    const once = judge(evidence({ ...late, runs: [goodRun({ steps: takenOver })], calls: blind, faults: cut }));
    expect(once).toMatchObject({ repeatedBySuperseded: 1, paidTwice: 0 });
    const twice = judge(evidence({ ...late, runs: [goodRun({ steps: takenOver })], calls: [...blind, call(3, 6_400)], faults: cut }));
    expect(twice).toMatchObject({ repeatedBySuperseded: 1, paidTwice: 1 });
  });
});
