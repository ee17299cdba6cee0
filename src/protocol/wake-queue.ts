/** Where wakes are put for workers to take: BullMQ in production, memory in tests. */
import type { RunStore } from "./run-store.ts";
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

/** Offers the run whose turn in its conversation has come: it waits for nothing else. Where this fails, the reconciler does it. */
export async function wakeFollower(
  { store, queue }: { readonly store: Pick<RunStore, "look">; readonly queue: WakeQueue },
  runId: string,
  policy: Parameters<RunStore["look"]>[1],
): Promise<void> {
  const next = await store.look(runId, policy);
  if (next !== undefined) await queue.add([next]);
}
