/** The model of the kill points against what is known of single places by hand. */
import { expect, test } from "vitest";
import { differences } from "../../../tools/chaos/differences.ts";
import { POINTS, UNDISTURBED } from "../../../tools/chaos/point-model.ts";

const expectedAt = (name: string) => POINTS.find((point) => point.name === name)?.expected;

test("every step of the protocol has its points, each once", () => {
  const names = POINTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const steps = new Set(names.map((name) => /:(.+)#/.exec(name)?.[1]));
  expect(steps).toEqual(new Set(["begin", "call", "dispatch", "end", "intent", "journal", "result", "take"]));
});

test("a run that nothing disturbs takes three attempts and five calls", () => {
  expect(UNDISTURBED).toMatchObject({ attempts: 3, calls: 5, notes: 1, charges: 1, resolvedRan: 0, resolvedNotRun: 0 });
});

test("a death between answer and journal costs one call, one behind the journal none", () => {
  expect(expectedAt("before:journal#3")?.atEnd.calls).toBe(6);
  expect(expectedAt("after:journal#3")?.atEnd.calls).toBe(5);
  expect(expectedAt("after:journal#3")?.atKill).toEqual({ status: "running", hop: 1, turns: 3, openIntents: 0, deaths: 0 });
});

test("a death between intent and result is asked about, and the answer follows from whether the effect happened", () => {
  expect(expectedAt("after:intent#1")?.atEnd).toMatchObject({ attempts: 5, resolvedRan: 0, resolvedNotRun: 1, charges: 1 });
  expect(expectedAt("before:result#2")?.atEnd).toMatchObject({ attempts: 5, resolvedRan: 1, resolvedNotRun: 0, charges: 1 });
  expect(expectedAt("after:result#2")?.atEnd).toMatchObject({ attempts: 4, resolvedRan: 0, resolvedNotRun: 0, charges: 1 });
});

test("the idempotent tool runs again where its result was lost", () => {
  expect(expectedAt("before:result#1")?.atEnd).toMatchObject({ notes: 2, attempts: 4 });
});

test("a death behind the last end changes nothing", () => {
  expect(expectedAt("after:end#3")).toMatchObject({ atKill: { status: "completed" }, atEnd: UNDISTURBED });
});

test("a difference is found and named", () => {
  expect(differences("here", { a: 1, b: [1] }, { a: 1, b: [1], c: 3 })).toEqual([]);
  expect(differences("here", { a: 1 }, { a: 2 })).toEqual(["here: expected a 1, got 2"]);
});
