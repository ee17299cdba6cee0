/**
 * The world outside the fleet: where tools have their effects and models are served. What is counted here is counted by no part of the
 * fleet, and survives every simulated death.
 */
import type { ToolName } from "./plan.ts";

export interface Effect {
  readonly runId: string;
  readonly tool: ToolName;
  /** The call's place in the run's plan: the same in every attempt. */
  readonly ordinal: number;
  readonly callId: string;
  readonly idempotencyKey: string;
  readonly by: string;
}

export interface Outside {
  readonly effects: Effect[];
  /** `<runId> <callId>` of calls of which somebody said that they had not run, once for each time. */
  readonly saidNotRun: string[];
  /** By run: bad answers that the model gave. */
  readonly badAnswers: Map<string, number>;
  /** By run: failures of every kind that were made to happen. */
  readonly faults: Map<string, number>;
  /** Runs that somebody asked to cancel. */
  readonly cancelAsked: Set<string>;
  /** Runs that a person ended. */
  readonly failedByPerson: Set<string>;
}

export const createOutside = (): Outside => ({
  effects: [],
  saidNotRun: [],
  badAnswers: new Map(),
  faults: new Map(),
  cancelAsked: new Set(),
  failedByPerson: new Set(),
});

export const countUp = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
