/**
 * The protocol as a list of steps, and what a run must look like when its worker dies between two of them. Written down independently of the
 * fleet: `run-points.ts` compares the two.
 */

/** In order, as one worker that is alone makes them for one run. `effect` happens in a tool and is no point of its own. */
const OPENER = ["take", "begin", "call", "journal", "note", "result", "call", "journal", "end", "dispatch"] as const;
const MIDDLE = ["take", "begin", "call", "journal", "intent", "charge", "result", "call", "journal", "end", "dispatch"] as const;
const CLOSER = ["take", "begin", "call", "journal", "end"] as const;
const STEPS = [...OPENER, ...MIDDLE, ...CLOSER];
type Step = (typeof STEPS)[number];

/** What is seen of the run right after the death, and when it is over. */
export interface Expected {
  readonly atKill: {
    readonly status: "queued" | "running" | "completed";
    readonly hop: number;
    readonly turns: number;
    readonly openIntents: number;
    readonly deaths: number;
  };
  readonly atEnd: {
    readonly status: "completed";
    readonly attempts: number;
    readonly turns: number;
    /** Arrivals at the provider. */
    readonly calls: number;
    readonly notes: number;
    readonly charges: number;
    readonly resolvedRan: number;
    readonly resolvedNotRun: number;
    readonly finals: number;
  };
}

export interface Point {
  /** `before:journal#2`; `in:call#1` is a death while the provider answers. */
  readonly name: string;
  readonly expected: Expected;
}

const LAST_HOP = 2;
const TURNS = 5;
const ATTEMPTS = 3;

export const POINTS: readonly Point[] = makePoints();

function makePoints(): Point[] {
  const seen = new Map<Step, number>();
  return STEPS.flatMap((step, index) => {
    const occurrence = (seen.get(step) ?? 0) + 1;
    seen.set(step, occurrence);
    const at = (when: string, done: number, extraCalls = 0): Point => ({
      name: `${when}:${step}#${occurrence}`,
      expected: expectedAfter(STEPS.slice(0, done), extraCalls),
    });
    switch (step) {
      case "note":
      case "charge":
        return [];
      case "take":
        return [at("before", index)];
      case "call":
        return [at("before", index), at("in", index, 1)];
      // The answer was there, and nobody had written it down: it is asked for again.
      case "journal":
        return [at("before", index, 1), at("after", index + 1)];
      default:
        return [at("before", index), at("after", index + 1)];
    }
  });
}

function expectedAfter(done: readonly Step[], extraCalls: number): Expected {
  const times = (step: Step): number => done.filter((known) => known === step).length;
  const ends = times("end");
  const isRunning = times("begin") > ends;
  const isOpen = times("intent") > 0 && times("result") < 2;
  const isCompleted = ends > LAST_HOP;
  const charged = times("charge");
  const noteIsLost = times("note") > times("result");
  return {
    atKill: {
      status: isCompleted ? "completed" : isRunning ? "running" : "queued",
      hop: Math.min(ends, LAST_HOP),
      turns: times("journal"),
      openIntents: isOpen ? 1 : 0,
      deaths: 0,
    },
    atEnd: {
      status: "completed",
      // The one that died; and for a lost effect the one that found it open.
      attempts: ATTEMPTS + (isRunning ? 1 : 0) + (isOpen ? 1 : 0),
      turns: TURNS,
      calls: TURNS + extraCalls,
      notes: 1 + (noteIsLost ? 1 : 0),
      charges: 1,
      resolvedRan: isOpen && charged > 0 ? 1 : 0,
      resolvedNotRun: isOpen && charged === 0 ? 1 : 0,
      finals: 1,
    },
  };
}

/** The way of a submit: the producer's process dies. What is stored must run without a word from anybody; what is not must not be there. */
export const PRODUCER_POINTS: readonly { readonly name: string; readonly runsStored: 0 | 1 }[] = [
  { name: "before:submit#1", runsStored: 0 },
  { name: "after:submit#1", runsStored: 1 },
  { name: "before:dispatch#1", runsStored: 1 },
  { name: "after:dispatch#1", runsStored: 1 },
];

/** What a run is like that nothing disturbed. */
export const UNDISTURBED: Expected["atEnd"] = expectedAfter(STEPS, 0).atEnd;
