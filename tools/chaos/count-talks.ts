/**
 * Whether the runs of a conversation took turns: what the provider's book says that each was shown, and when, against the order in which their
 * submits were acknowledged; and what the conversation holds at the end.
 */
import { isDeepStrictEqual } from "node:util";
import { isRefunded } from "./count-people.ts";
import type { Evidence, RunEvidence, Say } from "./evidence.ts";
import { turnLines } from "./transcript.ts";

const LAST_TURN = 4;
const LINE_CHARS = 60;

export function turnsOutOfOrder(evidence: Evidence, say: Say): number {
  const ofRuns = evidence.runs.filter((run) => {
    const why = whatWentWrong(run, evidence);
    if (why !== undefined) say(`turns out of order: job ${run.job.number} (${run.runId}) ${why}`);
    return why !== undefined;
  });
  const ofTalks = evidence.talks.filter(({ id, turns }) => {
    const expected = evidence.runs.filter(({ job, status }) => job.talk === id && status === "completed");
    const isRight = isDeepStrictEqual(
      turns,
      expected.map((run) => ({ runId: run.runId, lines: linesLeftBy(run, evidence) })),
    );
    if (!isRight) {
      const held = turns.flatMap(({ lines }) => lines);
      const due = expected.flatMap((run) => linesLeftBy(run, evidence));
      say(`turns out of order: ${id} holds ${turns.length} turns, not ${expected.length}; ${firstDifference(held, due)}`);
    }
    return !isRight;
  });
  return ofRuns.length + ofTalks.length;
}

function whatWentWrong(run: RunEvidence, evidence: Evidence): string | undefined {
  const { runs, calls } = evidence;
  const earlier = runs
    .slice(0, runs.indexOf(run))
    .filter(({ job, status }) => job.talk !== undefined && job.talk === run.job.talk && status === "completed");
  const past = earlier.flatMap((other) => linesLeftBy(other, evidence));
  const mine = calls.filter(({ job }) => job === run.job.number);
  const wrong = mine.find(({ shown }) => !isDeepStrictEqual(shown, past));
  if (wrong !== undefined) return `was shown at turn ${wrong.turn} another past: ${firstDifference(wrong.shown, past)}`;
  const [first] = mine;
  const before = first === undefined ? calls : calls.slice(0, calls.indexOf(first));
  const unfinished = earlier.find(({ job }) => !before.some((call) => call.job === job.number && call.turn === LAST_TURN));
  return unfinished === undefined ? undefined : `began before job ${unfinished.job.number} had ended`;
}

const linesLeftBy = (run: RunEvidence, evidence: Evidence): string[] => turnLines(run.job, isRefunded(run, evidence));

/** The whole is too long for one line. */
function firstDifference(found: readonly string[], expected: readonly string[]): string {
  const index = found.findIndex((line, at) => line !== expected[at]);
  const at = index === -1 ? Math.min(found.length, expected.length) : index;
  const part = (lines: readonly string[]): string => JSON.stringify(lines[at]?.slice(0, LINE_CHARS) ?? "nothing");
  return `line ${at} is ${part(found)}, not ${part(expected)}`;
}
