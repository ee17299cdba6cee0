/** What a fleet with one known defect is, and how one is made. */
import type { LiveText, RunStore } from "../../src/protocol/run-store.ts";
import type { MemoryRun, MemoryWorld } from "../../src/testing/memory-run-state.ts";
import type { MemoryWakeQueue } from "../../src/testing/memory-wake-queue.ts";
import type { InvariantName } from "./invariants.ts";

export interface Mutant {
  readonly what: string;
  readonly caughtBy: readonly InvariantName[];
  readonly store?: (store: RunStore, world: MemoryWorld) => RunStore;
  readonly queue?: (queue: MemoryWakeQueue) => MemoryWakeQueue;
  readonly live?: (live: LiveText) => LiveText;
  readonly reconciles?: boolean;
}

/** Each command begins with what names its run. Reason for the casts below: what came in is passed on unchanged. */
type Arguments = [first: string | { readonly runId?: string; readonly token?: string }, ...rest: unknown[]];

/** Does something to the run behind the back of one command. */
export const after =
  (
    operation: "submit" | "begin" | "record" | "openIntent" | "end" | "decide" | "cancel" | "look",
    change: (run: MemoryRun, world: MemoryWorld) => void,
  ) =>
  (store: RunStore, world: MemoryWorld): RunStore => ({
    ...store,
    // The wrapped command takes and gives what the store's own does; only the state behind it is touched.
    [operation]: async (...args: Arguments) => {
      const reply: unknown = await store[operation](...(args as [never, never, never]));
      const [first] = args;
      const run = world.runs.get(typeof first === "string" ? first : (first.runId ?? ""));
      if (run !== undefined) change(run, world);
      return reply;
    },
  });

export const before =
  (
    operation: "begin" | "record" | "openIntent" | "end" | "look" | "cancel",
    change: (run: MemoryRun, token: string, world: MemoryWorld) => void,
  ) =>
  (store: RunStore, world: MemoryWorld): RunStore => ({
    ...store,
    // As in `after`.
    [operation]: (...args: Arguments) => {
      const [first] = args;
      const run = world.runs.get(typeof first === "string" ? first : (first.runId ?? ""));
      if (run !== undefined) change(run, typeof first === "string" ? "" : (first.token ?? ""), world);
      return store[operation](...(args as [never, never, never]));
    },
  });
