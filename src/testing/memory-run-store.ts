/**
 * The run store in memory, for tests: the same rules as on Redis, on a clock that the test holds.
 * `tests/support/run-store-suite.ts` runs against both.
 */
import type { Clock } from "../clock.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { createMemoryAttempts } from "./memory-run-attempts.ts";
import { createMemoryConversations } from "./memory-conversations.ts";
import { createMemoryPauses } from "./memory-run-pauses.ts";
import { createMemoryPeople } from "./memory-run-people.ts";
import { createMemoryReads } from "./memory-run-reads.ts";
import { createMemorySources } from "./memory-run-sources.ts";
import { createMemoryTotals } from "./memory-run-totals.ts";
import { createMemoryWatches } from "./memory-run-watches.ts";
import { createWorld, type MemoryWorld, notify } from "./memory-run-state.ts";
import { createMemorySubmits } from "./memory-run-submit.ts";
import { createMemoryUpkeep } from "./memory-run-upkeep.ts";

export interface MemoryRunStoreOptions {
  readonly clock: Clock;
  /** As of the store on Redis. A `world` that is given has its own. */
  readonly conversationKeepMs?: number | undefined;
  /** Given by whoever looks at the state itself, as the simulation does. */
  readonly world?: MemoryWorld;
}

export interface MemoryRunStore extends RunStore {
  /** Wakes the run's followers; what live text beside the store calls. */
  notify(runId: string): void;
}

export function createMemoryRunStore({
  clock,
  conversationKeepMs,
  world = createWorld(clock, conversationKeepMs),
}: MemoryRunStoreOptions): MemoryRunStore {
  return {
    ...createMemorySubmits(world),
    ...createMemoryAttempts(world),
    ...createMemoryPeople(world),
    ...createMemoryPauses(world),
    ...createMemoryReads(world),
    ...createMemorySources(world),
    ...createMemoryTotals(world),
    ...createMemoryWatches(world),
    ...createMemoryUpkeep(world),
    conversations: createMemoryConversations(world),
    notify: (runId) => notify(world, runId),
    close: async () => {},
  };
}
