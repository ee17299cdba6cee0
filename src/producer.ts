/**
 * `flotilla/producer`: puts runs into a fleet from any service. Loads no agent code and no Agents SDK, whose import installs
 * process listeners; `import type { fleet }` gives the names of agents and the types of their outputs.
 */
import type { Redis } from "ioredis";
import { type Clock, inTime, systemClock } from "./clock.ts";
import { NO_KEYS, type PayloadCodec } from "./codec/payload-codec.ts";
import { createSealedLiveText } from "./codec/sealed-live-text.ts";
import { createSealedRunStore } from "./codec/sealed-run-store.ts";
import { createBullWakeQueue } from "./producers/bull-wake-queue.ts";
import { createRunProducer, type RunProducer, type RunProducerDeps } from "./producers/run-producer.ts";
import type { AgentsOf } from "./producers/types.ts";
import { FleetError } from "./protocol/errors.ts";
import { parseConversationKeepMs, parseRetention, type RetentionOptions } from "./protocol/retention.ts";
import type { RunStore } from "./protocol/run-store.ts";
import { connectRedis } from "./redis/connection.ts";
import { DEFAULT_PREFIX } from "./redis/keys.ts";
import { createRedisLiveText } from "./redis/redis-live-text.ts";
import { createRedisRunStore } from "./redis/redis-run-store.ts";

export { payloadCodec, type PayloadCodec, type PayloadCodecOptions } from "./codec/payload-codec.ts";
export type { CancelFilter, CancelledMany } from "./producers/cancel-many.ts";
export type { ManyResolution, ResolvedMany, ResolveFilter } from "./producers/resolve-many.ts";
export type { Conversations } from "./producers/conversations.ts";
export type { CostQuery, CostReport, CostRow, Costs } from "./producers/costs.ts";
export type { StatsQuery, StatsReport } from "./producers/stats/read-stats.ts";
export type { AgentStats, GuardrailStats, PathStats, StatsRow, ToolStats } from "./producers/stats/stats-book.ts";
export type { TotalsDimension } from "./producers/totals.ts";
export type { ApproveOptions, RejectOptions } from "./producers/decide.ts";
export type { FollowOptions } from "./producers/follow.ts";
export type { ApprovalPage, ApprovalQuery } from "./producers/list-approvals.ts";
export type { ScopePaused, ScopeResumed } from "./producers/pause-scopes.ts";
export type { TenantCount, TenantRemoval } from "./producers/remove-runs.ts";
export type { Retried } from "./producers/retry-many.ts";
export { RunError } from "./producers/run-handle.ts";
export type { HandleResolution, Resumed, RunHandle, RunStatusReport, WaitOptions } from "./producers/run-handle.ts";
export type { RunProducer, RunRequest, Submitted } from "./producers/run-producer.ts";
export type { ForkOptions, ReplayOptions, RetryOptions } from "./producers/second-chances.ts";
export type { SubmitOptions } from "./producers/submission.ts";
export type { AgentsOf, FleetOutput, FleetResult, FleetTypes, InputOf, RunInput } from "./producers/types.ts";
export type { ConversationInfo, ConversationTurn } from "./protocol/conversation.ts";
export type { FollowedEvent } from "./protocol/events.ts";
export type { ToolMode } from "./protocol/origin.ts";
export type { PauseNote, PauseScope, ScopePause } from "./protocol/pause.ts";
export type { RetentionOptions } from "./protocol/retention.ts";
export type {
  Approval,
  ApprovalRequest,
  Decided,
  RunErrorInfo,
  RunInfo,
  RunResult,
  RunStatus,
  Suspension,
  TrippedGuardrail,
  Usage,
} from "./protocol/run.ts";
export type { FailureGroup, FailureQuery, ListQuery } from "./protocol/run-store.ts";
export { FleetError };

export interface ProducerOptions {
  /** `redis://…`, or a connection of yours, which stays yours to close. Undefined or empty is an error: there is no default address. */
  readonly redis: string | Redis | undefined;
  /** The fleet's key prefix. Default `flotilla`. */
  readonly prefix?: string;
  readonly clock?: Clock;
  readonly defaults?: NonNullable<RunProducerDeps["defaults"]>;
  /** Seals what users put into runs; the workers need the same keys. Default: nothing is sealed. */
  readonly codec?: PayloadCodec;
  /**
   * How long runs stay readable that are ended from here, by how they ended: default 7 days each.
   * `conversationsMs`: conversations that are used from here, default 90 days.
   */
  readonly retention?: RetentionOptions;
}

export interface Producer<F = unknown> extends RunProducer<AgentsOf<F>>, AsyncDisposable {
  /** The port below, for what this surface does not offer. */
  readonly store: RunStore;
  close(): Promise<void>;
}

/** BullMQ's close waits for ever for a Redis that is away. Milliseconds. */
const CLOSE_MS = 2_000;

/**
 * Connects a producer. The caller closes it.
 * @throws FleetError REDIS_MISSING
 */
export function createProducer<F = unknown>({
  redis: given,
  prefix = DEFAULT_PREFIX,
  clock = systemClock,
  defaults,
  codec,
  retention,
}: ProducerOptions): Producer<F> {
  if (given === undefined || given === "") {
    throw new FleetError("REDIS_MISSING", "The producer has no Redis.", {
      at: "redis",
      remedy: "set REDIS_URL to the address that the workers use",
    });
  }
  const conversationKeepMs = parseConversationKeepMs(retention ?? {});
  const redis = typeof given === "string" ? connectRedis({ url: given, role: "producer", name: "flotilla-producer" }) : given;
  const store = createSealedRunStore(createRedisRunStore({ redis, clock, prefix, conversationKeepMs }), codec ?? NO_KEYS);
  const plainLive = createRedisLiveText({ redis, prefix });
  const live = codec === undefined ? plainLive : createSealedLiveText(plainLive, codec);
  const queue = createBullWakeQueue({ redis, prefix });
  const kept = retention === undefined ? {} : { retentionMs: parseRetention(retention) };
  const producer = createRunProducer<AgentsOf<F>>({ store, live, queue, clock, defaults: { ...defaults, ...kept } });
  const close = async (): Promise<void> => {
    await inTime(clock, queue.close(), CLOSE_MS);
    await inTime(clock, store.close(), CLOSE_MS);
    if (typeof given === "string") redis.disconnect();
  };
  return { ...producer, store, close, [Symbol.asyncDispose]: close };
}
