/**
 * Fleets with one known defect each. An invariant that nobody has seen fail is not one: each mutant must be caught. They wrap the store,
 * the queue or the live text; the fleet's own code stays as it is.
 */
import type { LiveText, RunStore } from "../../src/protocol/run-store.ts";
import type { MemoryWorld } from "../../src/testing/memory-run-state.ts";
import type { MemoryWakeQueue } from "../../src/testing/memory-wake-queue.ts";
import type { InvariantName } from "./invariants.ts";

export interface Mutant {
  readonly what: string;
  /** The invariants of which at least one must catch it. */
  readonly caughtBy: readonly InvariantName[];
  readonly store?: (store: RunStore, world: MemoryWorld) => RunStore;
  readonly queue?: (queue: MemoryWakeQueue) => MemoryWakeQueue;
  readonly live?: (live: LiveText) => LiveText;
  readonly reconciles?: boolean;
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {};
