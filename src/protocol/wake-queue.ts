/** Where wakes are put for workers to take: BullMQ in production, memory in tests. */
import type { WakeJob } from "./job.ts";

export interface RemovedRun {
  readonly runId: string;
  readonly lastWake: number;
}

export interface WakeQueue {
  /** Adds what is missing; a wake that is there already is left alone. `mostlyThere`: looking first is cheaper than adding in vain. */
  add(wakes: readonly WakeJob[], hint?: { readonly mostlyThere: boolean }): Promise<void>;
  /** Takes out every wake of these runs that is not being worked on, in whichever of `queues` it is, and what the queue remembers of it. */
  remove(runs: readonly RemovedRun[], queues: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
