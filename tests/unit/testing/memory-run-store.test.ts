import { createMemoryLiveText } from "../../../src/testing/memory-live-text.ts";
import { createMemoryRunStore } from "../../../src/testing/memory-run-store.ts";
import { runStoreSuite } from "../../support/run-store-suite.ts";

runStoreSuite("memory run store", async () => {
  let nowMs = 1_800_000_000_000;
  const store = createMemoryRunStore({ clock: { nowMs: () => nowMs, sleep: async () => {} } });
  return {
    store,
    live: createMemoryLiveText({ notify: store.notify }),
    nowMs: async () => nowMs,
    advance: async (ms) => {
      nowMs += ms;
    },
    close: () => store.close(),
  };
});
