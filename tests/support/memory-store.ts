/** A memory run store for a test, on a clock that the test moves. */
import { createMemoryLiveText } from "../../src/testing/memory-live-text.ts";
import { createMemoryRunStore } from "../../src/testing/memory-run-store.ts";
import type { StoreOptions, StoreUnderTest } from "./run-store-fixture.ts";

export function openMemoryStore(options: StoreOptions = {}): StoreUnderTest {
  let nowMs = 1_800_000_000_000;
  const store = createMemoryRunStore({ ...options, clock: { nowMs: () => nowMs, sleep: async () => {} } });
  return {
    store,
    live: createMemoryLiveText({ notify: store.notify }),
    nowMs: async () => nowMs,
    advance: async (ms) => {
      nowMs += ms;
    },
    close: () => store.close(),
  };
}
