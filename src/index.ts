/** The library. What is named here is the public surface; everything else may change. */

// The fleet
export { type AgentsIn, createFleet, type Fleet, type FleetOptions, type FleetWorkerOptions } from "./fleet.ts";
export type { Compaction, ConversationPolicy } from "./agents/compaction.ts";
export type { AgentLimits, AgentMap, AgentOptions, GuardrailScope, OnVersionChange } from "./agents/catalog.ts";
export type { Approvers, DecisionToCheck } from "./agents/hop-decisions.ts";
export { remoteAgent } from "./agents/derived-agent.ts";
export { payloadCodec, type PayloadCodec, type PayloadCodecOptions } from "./codec/payload-codec.ts";
export type { RetentionOptions } from "./protocol/retention.ts";
export type { FleetHooks } from "./workers/announce-approvals.ts";
export type { FleetWorker } from "./workers/fleet-worker.ts";
export type { MakeContext } from "./workers/process-wake.ts";
export type { ModelPrice, PriceTable } from "./models/prices.ts";
export type { ModelCredentials, ResolveCredentials } from "./models/access.ts";
export {
  createMessageBatches,
  type MessageBatches,
  type MessageBatchesOptions,
  type MessageBatchCallOptions,
  type MessageBatchPage,
  type MessageBatchQuery,
} from "./models/message-batches/client.ts";
export type { MessageBatchRequest } from "./models/message-batches/requests.ts";
export type { MessageBatchResult } from "./models/message-batches/results.ts";
export type { MessageBatchWait } from "./models/message-batches/wait.ts";
export type { BatchMessage, MessageBatch } from "./models/message-batches/wire.ts";
export { type ModelServer, openAICompatible, type OpenAICompatibleOptions } from "./models/servers.ts";
export { createLog, type Log, type LogLevel } from "./telemetry/log.ts";

// Inside tools
export { type Call, currentCall } from "./agents/hop-state.ts";
export type { RepeatLimits } from "./agents/loops.ts";
export { type LostCall, type Reconciled, type ToolPolicy, toolPolicy } from "./agents/tool-policy.ts";

// Conversations
export { createSession, type SessionOptions } from "./agents/session.ts";
export type { Conversations } from "./producers/conversations.ts";
export type { ConversationInfo, ConversationTurn } from "./protocol/conversation.ts";

// Runs
export {
  RunError,
  type HandleResolution,
  type Resumed,
  type RunHandle,
  type RunStatusReport,
  type WaitOptions,
} from "./producers/run-handle.ts";
export type { FollowOptions } from "./producers/follow.ts";
export type { CostQuery, CostReport, CostRow, Costs } from "./producers/costs.ts";
export type { StatsQuery, StatsReport } from "./producers/stats/read-stats.ts";
export type { AgentStats, GuardrailStats, PathStats, StatsRow, ToolStats } from "./producers/stats/stats-book.ts";
export type { TotalsDimension } from "./producers/totals.ts";
export type { ApproveOptions, RejectOptions } from "./producers/decide.ts";
export type { ApprovalPage, ApprovalQuery } from "./producers/list-approvals.ts";
export type { CancelFilter, CancelledMany } from "./producers/cancel-many.ts";
export type { ManyResolution, ResolvedMany, ResolveFilter } from "./producers/resolve-many.ts";
export type { ScopePaused, ScopeResumed } from "./producers/pause-scopes.ts";
export type { TenantCount, TenantRemoval } from "./producers/remove-runs.ts";
export type { Retried } from "./producers/retry-many.ts";
export type { RunProducer, RunRequest, Submitted } from "./producers/run-producer.ts";
export type { ForkOptions, ReplayOptions, RetryOptions } from "./producers/second-chances.ts";
export type { InputOf, RunInput } from "./producers/types.ts";
export type { ToolMode } from "./protocol/origin.ts";
export type { PauseNote, PauseScope, ScopePause } from "./protocol/pause.ts";
export type { FailureGroup, FailureQuery, ListQuery } from "./protocol/run-store.ts";
export type { InputSchema } from "./protocol/structured-input.ts";
export type { SubmitOptions } from "./producers/submission.ts";
export type { FollowedEvent, LiveEvent, RunEvent } from "./protocol/events.ts";
export type {
  Approval,
  ApprovalRequest,
  Decided,
  GuardrailKind,
  Intent,
  RunErrorInfo,
  RunInfo,
  RunResult,
  RunStatus,
  Suspension,
  TrippedGuardrail,
  Usage,
} from "./protocol/run.ts";

// Errors
export { ERRORS, type ErrorCode, FleetError, isFleetError } from "./protocol/errors.ts";
export { LIMITS } from "./protocol/limits.ts";
