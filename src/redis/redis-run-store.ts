/**
 * The run store on Redis. Every command that changes state is one Lua script (I1, I2, I12); the parts only translate.
 * The connection belongs to the caller; the store closes only the subscriber that it opens itself.
 */
import type { Redis } from "ioredis";
import type { Clock } from "../clock.ts";
import { CONVERSATION_KEEP_MS, DEFAULT_RETENTION_MS, type Retention } from "../protocol/retention.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { keysFor } from "./keys.ts";
import { createAttempts } from "./run-store-attempts.ts";
import type { StoreContext } from "./run-store-context.ts";
import { createConversations } from "./run-store-conversations.ts";
import { createPauses } from "./run-store-pauses.ts";
import { createPeople } from "./run-store-people.ts";
import { createReads } from "./run-store-reads.ts";
import { createRemoval } from "./run-store-removal.ts";
import { createSources } from "./run-store-sources.ts";
import { createSubmits } from "./run-store-submit.ts";
import { createTotals } from "./run-store-totals.ts";
import { createUpkeep } from "./run-store-upkeep.ts";
import { createWatches } from "./run-store-watch.ts";

export interface RedisRunStoreOptions {
  readonly redis: Redis;
  readonly clock: Clock;
  /** Default `flotilla`. */
  readonly prefix?: string;
  /** How long a run stays readable that `begin` ends (cancelled, expired, crashed). Default 7 days. */
  readonly retentionMs?: Retention;
  /** How long a conversation stays after its last use. Default 90 days. */
  readonly conversationKeepMs?: number;
}

export function createRedisRunStore({
  redis,
  clock,
  prefix,
  retentionMs = DEFAULT_RETENTION_MS,
  conversationKeepMs = CONVERSATION_KEEP_MS,
}: RedisRunStoreOptions): RunStore {
  const context: StoreContext = { redis, clock, keys: keysFor(prefix), retentionMs, conversationKeepMs };
  const reads = createReads(context);
  const watches = createWatches(context);
  return {
    ...createSubmits(context),
    ...createAttempts(context),
    ...createPeople(context, reads.get),
    ...createPauses(context),
    ...reads,
    ...createSources(context, reads.get),
    ...createUpkeep(context),
    ...createRemoval(context),
    ...createTotals(context),
    ...watches,
    conversations: createConversations(context),
  };
}
