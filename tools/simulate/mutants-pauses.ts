/** Fleets whose pauses have one known defect each. */
import type { Mutant } from "./mutant.ts";

export const PAUSE_MUTANTS: Readonly<Record<string, Mutant>> = {
  "pauses-are-not-heeded": {
    what: "a job of a paused agent's or tenant's run begins",
    caughtBy: ["paused-runs-make-no-progress"],
    store: (store, world) => ({
      ...store,
      begin(command) {
        const pauses = [...world.pauses];
        world.pauses.clear();
        const reply = store.begin(command);
        for (const [id, pause] of pauses) world.pauses.set(id, pause);
        return reply;
      },
    }),
  },
  "parked-runs-are-forgotten": {
    what: "a resume takes the first page for all of them",
    caughtBy: ["resumes-lose-none", "every-run-ends", "paused-runs-make-no-progress"],
    store: (store, world) => ({
      ...store,
      async unpark(scope) {
        world.resuming.clear();
        return store.unpark(scope, 0);
      },
    }),
  },
  "paused-runs-stay-dispatched": {
    what: "a run that is paused keeps its dispatch entry",
    caughtBy: ["waiting-runs-are-not-dispatched"],
    store: (store, world) => ({
      ...store,
      async pause(runId, note) {
        const reply = await store.pause(runId, note);
        const run = world.runs.get(runId);
        if (run?.info.status === "paused") run.lookAtMs = world.clock.nowMs();
        return reply;
      },
    }),
  },
};
