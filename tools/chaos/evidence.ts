/** What a chaos run leaves behind for the count: the provider's book, the effects file, the faults, and what a producer reads of each run. */
import type { EffectLine } from "./effects.ts";
import type { Job, Word } from "./jobs.ts";

/** One line of the provider's book. */
export interface CallEntry {
  readonly job: number;
  /** From 0; see jobs.ts. */
  readonly turn: number;
  /** The key that the worker process was started with. */
  readonly worker: string;
  readonly atMs: number;
  /** The whole answer was sent. */
  readonly served: boolean;
  /** What the model was shown in front of the run's own input; see transcript.ts. */
  readonly shown: readonly string[];
}

export interface Fault {
  readonly kind: "kill" | "term" | "block" | "full" | "redis" | "net";
  /** Undefined: it hits everybody. */
  readonly worker: string | undefined;
  readonly pid: number | undefined;
  readonly atMs: number;
  /** When it was over; for a killed worker the moment of its death. */
  readonly endMs: number;
  readonly note: string;
}

/** One event of a run as its stream holds it; the time is Redis' own, out of the event's id. */
export interface RunStep {
  readonly atMs: number;
  readonly type: string;
  /** Only `attempt.started`: the process. */
  readonly pid?: number;
  readonly hop: number;
  /** Only `turn.completed`: from 0. */
  readonly turn?: number;
}

/** `unanswered`: nobody knows whether it was taken. */
export interface DecisionEvidence {
  readonly word: Word;
  readonly sentAtMs: number;
  readonly answer: "acknowledged" | "refused" | "unanswered";
}

export interface RunEvidence {
  readonly job: Job;
  readonly runId: string;
  /** The run that the same idempotency key finds at the end. */
  readonly foundByKey: string;
  /** As the producer reads it; `missing` when no such run is there. */
  readonly status: string;
  readonly output: unknown;
  readonly steps: readonly RunStep[];
  /** Times that the harness answered for a lost call. */
  readonly resolved: { readonly ran: number; readonly notRun: number };
  /** What the harness said about the refund, in the order of sending. */
  readonly decisions: readonly DecisionEvidence[];
  /** What its cancel was answered; undefined where none was sent. */
  readonly cancel: "cancelled" | "requested" | "already-final" | "unanswered" | undefined;
}

/** A conversation as it is kept at the end. */
export interface TalkEvidence {
  readonly id: string;
  readonly turns: readonly { readonly runId: string; readonly lines: readonly string[] }[];
}

export interface Evidence {
  /** In the order of their acknowledged submits. */
  readonly runs: readonly RunEvidence[];
  readonly talks: readonly TalkEvidence[];
  /** In the order of their arrival. */
  readonly calls: readonly CallEntry[];
  readonly effects: readonly EffectLine[];
  readonly faults: readonly Fault[];
  /** Process ids by worker key. */
  readonly pids: ReadonlyMap<string, number>;
}

/** Told of each thing that is wrong, in one line. */
export type Say = (line: string) => void;
