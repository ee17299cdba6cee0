/** What the run-store suite works with: a store whose time a test can move, and short forms of commands. */
import { ulid } from "ulid";
import type { RunEvent } from "../../src/protocol/events.ts";
import type { WorkerEntry } from "../../src/protocol/registry.ts";
import type { DecideCommand } from "../../src/protocol/people.ts";
import type { Decision, Intent, Usage } from "../../src/protocol/run.ts";
import type { Attempt, BeginCommand, EndReply, Fact, Outcome } from "../../src/protocol/attempt.ts";
import type { LiveText, RunStore } from "../../src/protocol/run-store.ts";
import type { Submission } from "../../src/protocol/submission.ts";

export interface StoreUnderTest {
  readonly store: RunStore;
  readonly live: LiveText;
  /** The store's own time. */
  nowMs(): Promise<number>;
  /** Lets time pass for what is stored, without waiting. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly conversationKeepMs?: number;
}
export type OpenStore = (options?: StoreOptions) => Promise<StoreUnderTest>;

export const DAY_MS = 24 * 60 * 60 * 1_000;
export const LEASE_MS = 30_000;
export const policy = { retentionMs: DAY_MS, maxDeaths: 2 };
export const usage: Usage = { requests: 1, inputTokens: 10, cachedInputTokens: 4, outputTokens: 5, reasoningTokens: 2 };

export const newRunId = (): string => `r0-${ulid().toLowerCase()}`;

export const submission = (overrides: Partial<Submission> = {}): Submission => ({
  runId: newRunId(),
  agent: "triage",
  queue: "default",
  tenant: "acme",
  priority: "normal",
  itemsJson: '[{"role":"user","content":"hello {\\"é\\"}"}]',
  contextJson: '{"customer":7,"list":[]}',
  metadataJson: '{"ticket":"t-1"}',
  settingsJson: "{}",
  inputHash: "hash",
  delayMs: 0,
  deadlineMs: DAY_MS,
  maxHops: 3,
  ...overrides,
});

export const beginOf = (runId: string, token: string, wake: number): BeginCommand => ({
  runId,
  wake,
  token,
  workerId: "worker-1",
  leaseMs: LEASE_MS,
  maxDeaths: policy.maxDeaths,
});

export async function begin(store: RunStore, runId: string, token: string, wake = 0): Promise<Attempt> {
  const reply = await store.begin(beginOf(runId, token, wake));
  if (reply.status !== "begun") throw new Error(`expected the run to begin; got ${JSON.stringify(reply)}`);
  return reply.attempt;
}

/** A run that one attempt holds. */
export async function running(store: RunStore, token = "a", overrides: Partial<Submission> = {}): Promise<string> {
  const { runId } = submission(overrides);
  await store.submit(submission({ ...overrides, runId }));
  await begin(store, runId, token);
  return runId;
}

export const end = (store: RunStore, runId: string, token: string, outcome: Outcome): Promise<EndReply> =>
  store.end({ runId, token, outcome, retentionMs: policy.retentionMs });

/** A run that `outcome` suspended. */
export async function suspended(store: RunStore, outcome: Outcome, intents: readonly Intent[] = []): Promise<string> {
  const runId = await running(store);
  for (const intent of intents) await store.openIntent(runId, "a", intent);
  await end(store, runId, "a", outcome);
  return runId;
}

export const completed: Extract<Outcome, { readonly type: "completed" }> = { type: "completed", output: { answer: 42, empty: [] } };
type HandedOff = Extract<Outcome, { readonly type: "handed-off" }>;
export const handedOff = (overrides: Partial<HandedOff> = {}): HandedOff => ({
  type: "handed-off",
  to: "refunds",
  queue: "slow",
  replacesTranscript: false,
  ...overrides,
});
export const effectUnknown: Outcome = { type: "suspended", suspension: "effect-unknown" };

export const approval = (callId: string): { callId: string; tool: string; agent: string; arguments: string } => ({
  callId,
  tool: "refund",
  agent: "triage",
  arguments: "{}",
});
export const awaitingApproval = (...callIds: string[]): Outcome => ({
  type: "suspended",
  suspension: "approval",
  approvals: callIds.map(approval),
});

/** A person's word, under the client's id `id`. */
export const decision = (id: string, overrides: Partial<Decision> = {}): DecideCommand => ({
  id,
  decision: { approve: true, ...overrides },
});

export const intent = (callId: string): Intent => ({
  callId,
  tool: "refund",
  agent: "triage",
  hop: 0,
  arguments: '{"a":1}',
  openedAtMs: 1_000,
});

export const turnEvent: RunEvent = {
  type: "model.called",
  atMs: 1,
  hop: 0,
  agent: "triage",
  scope: "main",
  model: "m",
  usage,
  durationMs: 5,
};

export const fact = (runId: string, overrides: Partial<Fact> = {}): Fact => ({
  runId,
  token: "a",
  hop: 0,
  key: "m:0",
  valueJson: '{"v":1}',
  usage,
  turns: 1,
  event: turnEvent,
  ...overrides,
});

export async function eventTypes(store: RunStore, runId: string): Promise<string[]> {
  return (await store.events(runId, "0-0", 1_000)).map(({ event }) => event.type);
}

export const worker = (seenAtMs: number): WorkerEntry => ({
  v: 1,
  workerId: "w1",
  host: "h",
  pid: 1,
  queues: ["default"],
  agents: ["triage"],
  slots: 2,
  busy: 0,
  startedAtMs: 1,
  seenAtMs,
  release: "0.1.0",
});
