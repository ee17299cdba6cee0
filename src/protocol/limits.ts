/** The size of everything that is stored. Each limit's error names it. */
export const LIMITS = {
  /** A run's input as JSON, in bytes. */
  inputBytes: 256 * 1024,
  /** A run's serialisable context as JSON, in bytes. */
  contextBytes: 64 * 1024,
  /** A run's metadata as JSON, in bytes. */
  metadataBytes: 8 * 1024,
  /** A run's output as JSON, in bytes. */
  outputBytes: 1024 * 1024,
  /** One tool result or model response as JSON, in bytes. */
  stepBytes: 4 * 1024 * 1024,
  /** The text of one turn that a durable event carries, in characters; the rest is cut. */
  eventTextChars: 64 * 1024,
  /** Tool arguments and results in events, in characters; the rest is cut. */
  eventPreviewChars: 2_000,
  /** An error message in a record, in characters; the rest is cut. */
  errorChars: 2_000,
  /** An answer that a run's error carries, in characters; the rest is cut. */
  answerChars: 8_000,
  /** What a guardrail says it found, as JSON, in characters; larger info is kept as cut text. */
  guardrailInfoChars: 4_000,
  /** A provider's id of a call, in characters; the rest is cut. */
  callIdChars: 200,
  /** Agents that had a run, as its record keeps them. */
  recentAgents: 32,
  /** The name of whoever decided or paused, in characters. */
  personChars: 256,
  /** Why somebody decided as they did, or paused, in characters. */
  reasonChars: 2_000,
  /** Agents and tenants that are paused at once. */
  pausesAtOnce: 1_000,
  /** Arguments of a call that waits for a person, and the schema they keep to, in characters. */
  approvalArgumentsChars: 32 * 1024,
  agentNameChars: 128,
  tenantChars: 128,
  idempotencyKeyChars: 256,
  tagChars: 64,
  tagsPerRun: 8,
  queueNameChars: 64,
  conversationIdChars: 128,
  /** Runs of one conversation that are not over. */
  runsPerConversation: 200,
  /** What a conversation holds when a run of it begins, as JSON, in bytes. */
  conversationBytes: 4 * 1024 * 1024,
  /** Approvals in one page of a list. */
  listedAtOnce: 1_000,
  /** Runs in one call of submitMany that are sent to Redis together. */
  submitChunk: 200,
  /** Events a run may hold; older ones are trimmed. */
  eventsPerRun: 10_000,
} as const;

/** Cuts `text` to `max` characters and says so. */
export const cut = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max)}… (${text.length - max} more characters)`;
