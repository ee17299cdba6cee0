/**
 * Every error a user can meet, in one table: the code is the contract, the text may change.
 * `docs/errors.md` has a section for each code; a test compares both ways.
 */

export const ERRORS = {
  AGENT_CHANGED: "The agent's version changed under the run, and its policy is to fail then.",
  AGENT_FAILED: "The agent's own code failed, again and again.",
  AGENT_UNKNOWN: "No worker has ever announced an agent of this name.",
  APPROVAL_TIMED_OUT: "Nobody decided on a tool call in time, and its policy ends the run then.",
  AGENT_INVALID: "The fleet's map of agents holds something that cannot run.",
  BACKEND_UNREACHABLE: "Redis did not answer.",
  CONTEXT_NOT_SERIALISABLE: "The run's context holds a value that JSON cannot carry.",
  CONVERSATION_BUSY: "Runs of the conversation are not over, and what they were shown must stay.",
  CONVERSATION_EXISTS: "There is a conversation of this id already.",
  CONVERSATION_FULL: "The conversation holds, or is waited for by, more than its limit.",
  CONVERSATION_UNKNOWN: "No conversation of the tenant has this id.",
  DECISION_NOT_OPEN: "There is nothing to decide: the call is not waiting for a person.",
  FLEET_FILE_INVALID: "The fleet file could not be loaded, or holds no fleet.",
  GUARDRAIL_FAILED: "A guardrail itself failed, again and again.",
  GUARDRAIL_TRIPPED: "A guardrail stopped the run.",
  HOP_UNRECORDED: "The run ended a hop under a release that did not keep with what it began.",
  HANDOFF_LIMIT: "The run changed hands more often than its limit allows.",
  IDEMPOTENCY_CONFLICT: "The idempotency key was used before with another input.",
  INPUT_INVALID: "A value does not have the shape that is expected of it.",
  INPUT_TOO_LARGE: "A value is larger than its limit.",
  JOB_INVALID: "A queue's job is not one of ours.",
  LOOP_DETECTED: "The run went round in circles: the same calls, or the same agents, again and again.",
  MESSAGE_BATCH_ARCHIVED: "The message batch's results are not kept any longer.",
  MESSAGE_BATCH_LIVE: "The message batch has not ended yet.",
  MESSAGE_BATCH_UNCONFIRMED: "It is not known whether the message batch was made: the answer was lost.",
  MESSAGE_BATCH_UNREADABLE: "Some results of the message batch cannot be read.",
  MODEL_CALL_FAILED: "The model provider refused the call for good.",
  MODEL_CONTEXT_TOO_LONG: "The conversation is longer than the model accepts.",
  MODEL_KEY_MISSING: "A model has no key or no route.",
  MODEL_KEY_REJECTED: "The model provider rejected the key.",
  MODEL_OUTPUT_INVALID: "The model's answer kept breaking the expected form.",
  MODEL_OUTPUT_TRUNCATED: "The model's answer was cut off at its token limit.",
  MODEL_QUOTA_SPENT: "The account at the model provider has no credit left.",
  MODEL_RATE_LIMITED: "The model provider limits the rate of calls.",
  MODEL_UNAVAILABLE: "The model provider kept failing.",
  NO_WORKERS: "No worker has announced any agent on this Redis yet.",
  OUTPUT_TOO_LARGE: "The run's output is larger than its limit.",
  PAYLOAD_KEY_MISSING: "A sealed value cannot be opened: its key is missing or another one.",
  PAYLOAD_NOT_SEALED: "A value is not sealed, and only sealed values are read.",
  PEER_MISMATCH: "An installed package has a version that this release does not support.",
  REDIS_EVICTS: "Redis may evict keys: its eviction policy is not noeviction.",
  REDIS_MEMORY_FULL: "Redis is almost out of memory; new runs are refused so that running ones can end.",
  REDIS_MISSING: "No Redis is configured and none could be started.",
  REDIS_REPLY_MAPPING: "The Redis client maps replies in a way that breaks the queue.",
  REDIS_TOO_OLD: "The Redis server is older than the oldest supported version.",
  RUN_COMPLETED: "The run completed: there is nothing to retry.",
  RUN_CRASHED: "The run's worker died again and again while holding it.",
  RUN_EXPIRED: "The run's record is gone: its retention has passed.",
  RUN_LIVE: "The run is not over yet, and only runs that are over can be deleted or retried.",
  RUN_NOT_COMPLETED: "The run ended without an output.",
  RUN_UNKNOWN: "No run has this id.",
  TOOL_FAILED: "A tool failed, again and again.",
  TURN_LIMIT: "The agent used up its turns without an answer.",
  USAGE: "The command line is not understood.",
  WAIT_ABORTED: "The wait was ended by its caller; what it waited for goes on.",
  WORKERS_GONE: "No live worker holds the agents that a command waits for.",
  WORKER_CRASHED: "The worker's process ended unexpectedly, again and again.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof ERRORS;

export interface FleetErrorOptions {
  readonly cause?: unknown;
  /** Where the wrong value stands: an option's path, a file and line, a field. */
  readonly at?: string;
  /** The next step for whoever reads it: a command or a change. */
  readonly remedy?: string;
}

/**
 * The one error class of the fleet. `message` says what was wrong with which value; it never holds prompts, model output or secrets.
 */
export class FleetError extends Error {
  override readonly name = "FleetError";
  readonly code: ErrorCode;
  readonly at: string | undefined;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: FleetErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.at = options.at;
    this.remedy = options.remedy;
  }

  /** The form in which a person reads it: code, text, place, remedy. */
  describe(): string {
    const place = this.at === undefined ? "" : `\n  at ${this.at}`;
    const remedy = this.remedy === undefined ? "" : `\n  try ${this.remedy}`;
    return `${this.code} ${this.message}${place}${remedy}`;
  }
}

/** True for a FleetError of any copy of this package. */
export const isFleetError = (error: unknown): error is FleetError =>
  error instanceof Error && error.name === "FleetError" && "code" in error && "describe" in error;
