/** Guards the demo's verdict: it must be bad when anything that it promises did not hold. */
import { expect, test } from "vitest";
import { drawBar } from "../../../src/cli/demo/progress.ts";
import { type DemoEvidence, judge } from "../../../src/cli/demo/verdict.ts";

const row = (ticket: string, more = {}) => ({
  ticket,
  runId: `r-${ticket}`,
  status: "completed",
  agent: "refunds",
  requests: 3,
  refundedCents: 0,
  ...more,
});

const GOOD: DemoEvidence = {
  tickets: ["a", "b"],
  rows: [row("a"), row("b", { refundedCents: 500 })],
  served: 6,
  effects: [{ key: "k1", ticket: "b", amountCents: 500 }],
  inFlightAtKill: 0,
};

const isGood = (change: Partial<DemoEvidence>): boolean => judge({ ...GOOD, ...change }).every(({ ok }) => ok);

test("the verdict is good when every sum fits", () => {
  expect(isGood({})).toBe(true);
  expect(isGood({ served: undefined })).toBe(true);
  expect(isGood({ served: 8, inFlightAtKill: 8 })).toBe(true);
});

test.each<[string, Partial<DemoEvidence>]>([
  ["a ticket has no result", { rows: [row("a")] }],
  ["a ticket has two results", { rows: [...GOOD.rows, row("a")] }],
  ["a result belongs to no ticket", { tickets: ["b"], served: 6 }],
  ["a run did not complete", { rows: [row("a", { status: "failed" }), row("b", { refundedCents: 500 })] }],
  ["a call was made again without a kill", { served: 7 }],
  ["more calls were made again than were in flight", { served: 15, inFlightAtKill: 8 }],
  ["the fleet holds more calls than were served", { served: 5 }],
  ["a refund was made twice", { effects: [...GOOD.effects, ...GOOD.effects] }],
  ["a refund was made that no answer tells", { effects: [...GOOD.effects, { key: "k2", ticket: "a", amountCents: 1 }] }],
  ["an answer tells a refund that was not made", { effects: [] }],
])("the verdict is bad when %s", (_what, change) => {
  expect(isGood(change)).toBe(false);
});

test("the bar is empty at the start and full at the end", () => {
  expect(drawBar(0, 4)).toBe(`[${"-".repeat(30)}] 0/4`);
  expect(drawBar(4, 4)).toBe(`[${"#".repeat(30)}] 4/4`);
});
