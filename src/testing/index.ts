/** Published doubles: agents tested without Redis, keys or time. */
export { testFleet, type TestFleet, type TestFleetOptions } from "./test-fleet.ts";
export { createVirtualClock, type VirtualClock } from "./virtual-clock.ts";
export { createMemoryRunStore } from "./memory-run-store.ts";
export { createMemoryLiveText } from "./memory-live-text.ts";
export { createMemoryWakeQueue, type MemoryWakeQueue } from "./memory-wake-queue.ts";
export * from "./fake-provider.ts";
