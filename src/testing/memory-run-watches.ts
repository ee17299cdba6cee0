/** Who is woken when a run changes, in memory. */
import type { RunStore } from "../protocol/run-store.ts";
import type { MemoryWorld } from "./memory-run-state.ts";

export function createMemoryWatches(world: MemoryWorld): Pick<RunStore, "watch" | "watchStops"> {
  return {
    async watch(runId, wake) {
      const watchers = world.watchers.get(runId) ?? new Set();
      world.watchers.set(runId, watchers.add(wake));
      return async () => {
        watchers.delete(wake);
        if (watchers.size === 0) world.watchers.delete(runId);
      };
    },
    async watchStops(stop) {
      world.stopWatchers.add(stop);
      return async () => {
        world.stopWatchers.delete(stop);
      };
    },
  };
}
