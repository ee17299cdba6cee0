/** A wake queue in memory, for tests: the order in which BullMQ would give the wakes out. */
import { jobIdOf } from "../protocol/ids.ts";
import type { WakeJob } from "../protocol/job.ts";
import type { WakeQueue } from "../protocol/wake-queue.ts";

export interface MemoryWakeQueue extends WakeQueue {
  /** The next wake of a queue, which then counts as taken. */
  take(queue: string): WakeJob | undefined;
  /** How many wakes wait. */
  size(queue: string): number;
  /** Calls `added` after each add. Returns what ends it. */
  onAdded(added: () => void): () => void;
}

export function createMemoryWakeQueue(): MemoryWakeQueue {
  const queues = new Map<string, WakeJob[]>();
  const listeners = new Set<() => void>();
  return {
    async add(wakes) {
      for (const wake of wakes) {
        const waiting = queues.get(wake.queue) ?? [];
        queues.set(wake.queue, insert(waiting, wake));
      }
      for (const added of listeners) added();
    },
    async remove(runs) {
      const gone = new Set(runs.map(({ runId }) => runId));
      for (const [name, waiting] of queues)
        queues.set(
          name,
          waiting.filter(({ runId }) => !gone.has(runId)),
        );
    },
    take: (queue) => queues.get(queue)?.shift(),
    size: (queue) => queues.get(queue)?.length ?? 0,
    onAdded(added) {
      listeners.add(added);
      return () => listeners.delete(added);
    },
    close: async () => {
      queues.clear();
      listeners.clear();
    },
  };
}

/** Continuations and high ones go to the head, low ones behind all others. */
function insert(waiting: readonly WakeJob[], wake: WakeJob): WakeJob[] {
  const id = jobIdOf(wake.runId, wake.wake);
  if (waiting.some((other) => jobIdOf(other.runId, other.wake) === id)) return [...waiting];
  if (wake.continuation || wake.priority === "high") return [wake, ...waiting];
  if (wake.priority === "low") return [...waiting, wake];
  const firstLow = waiting.findIndex((other) => other.priority === "low" && !other.continuation);
  return firstLow === -1 ? [...waiting, wake] : [...waiting.slice(0, firstLow), wake, ...waiting.slice(firstLow)];
}
