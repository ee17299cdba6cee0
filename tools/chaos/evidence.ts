/** What a chaos run leaves behind for the count: the provider's book, the effects file, the faults, and what a producer reads of each run. */
import type { EffectLine } from "./effects.ts";
import type { Job } from "./jobs.ts";

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
}

export interface Evidence {
  readonly runs: readonly RunEvidence[];
  readonly calls: readonly CallEntry[];
  readonly effects: readonly EffectLine[];
  readonly faults: readonly Fault[];
  /** Process ids by worker key. */
  readonly pids: ReadonlyMap<string, number>;
}
