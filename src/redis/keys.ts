/**
 * Every key, channel and queue name. Nothing else in the project builds one.
 * All names of one shard share one hash tag, BullMQ's included, so that a script stays in one Cluster slot.
 * `docs/redis-keys.md` has one row per function of `Keys`; a test compares both ways.
 */
import { createHash } from "node:crypto";
import { PROTOCOL_MAJOR } from "../protocol/job.ts";

export const DEFAULT_PREFIX = "flotilla";

export interface Keys {
  /** Hash: the run's record. PEXPIRE at the final state (retention + 1 day). Writer: every run script. */
  run(runId: string): string;
  /** List of JSON arrays: the transcript, one chunk per submit, handoff and completion; never taken out, so that each hop's stays readable. TTL as `run`. Writers: submit, end. */
  items(runId: string): string;
  /** Hash of journal key → JSON: finished model and tool calls of one hop. PEXPIREAT deadline + 35 days. Writers: submit, record, resolve, end. */
  journal(runId: string, hop: number): string;
  /** Hash of hop → HopStart JSON, `<hop>:context` → the context it began with, if it changed: with what each hop began, if it was handed off; of a completed one only a context that changed. PEXPIREAT deadline + 35 days. Writer: end. */
  hops(runId: string): string;
  /** Hash of number → Recording JSON: calls of the source that a run's tools are answered from. PEXPIREAT deadline + 35 days. Writer: submit. */
  recordings(runId: string): string;
  /** Hash of callId → token, newline, Intent JSON: effects that may have happened. TTL as `run`. Writers: submit, open-intent, record, resolve. */
  intents(runId: string): string;
  /** Hash of callId → Approval JSON: calls that wait for a person. Deleted at the final state. Writers: end, decide, look. */
  approvals(runId: string): string;
  /** Hash of callId → Decided JSON, write-once; `refused/<n>/<callId>` → one that a worker refused. TTL as `run`. Writers: submit, decide, look, end. */
  decisions(runId: string): string;
  /** Stream, field `e` = RunEvent JSON, trimmed to about 10,000. TTL as `run`. Writer: every run script. */
  events(runId: string): string;
  /** Stream, id = `<offset + 1>-0`, field `t` = text: live text of one turn's attempt. PEXPIRE 15 min. Writer: live text. */
  live(runId: string, turn: number, attempt: number): string;
  /** Sorted set runId → when to look again (epoch ms): one member per queued, running or lane-suspended run, and per run with an approval that has a deadline or is to be announced. No TTL: bounded by live runs. Writer: every run script. */
  dispatch(): string;
  /** Sorted set runId → deadline (epoch ms) of every live run. No TTL: bounded by live runs. Writers: submit, look, final states. */
  timers(): string;
  /** Sorted set `<runId>/<tenant>/<status>/<hop>`, of a failed run with `/failed:<code>:<agent>` → when to delete (epoch ms) a final run. No TTL: the sweeper empties it. Writers: final states, sweep. */
  retention(): string;
  /** Hash of `<agent or tenant>`, line end, name → Pause JSON. No TTL: at most 1,000, each until somebody resumes it. Writers: pause-scope, resume-scope. */
  pauses(): string;
  /** Sorted set, all scores 0, of `<scope as in pauses>`, line end, run id: runs parked under an agent or a tenant. No TTL: bounded by live runs. Writers: every run script. */
  parked(): string;
  /** Sorted set, all scores 0: scopes that were resumed and may still have parked runs. No TTL: emptied by the reconciler. Writers: resume-scope, pause-scope, parked. */
  resuming(): string;
  /** Sorted set, all scores 0: `<tenant or *>/<status or *>/<runId>`, four members per run; `approval` stands as a further status of runs that wait for a decision; a failed one that was not retried has two more, with `failed:<code>:<agent>` as status. No TTL: members go with the run. Writers: every move, sweep. */
  index(): string;
  /** String `<runId> <input hash>`: an idempotency key (hashed). PX deadline + 30 days, outlives the run. Writer: submit. */
  idem(tenant: string, idempotencyKey: string): string;
  /** Hash: a conversation's creation, size and last change. PEXPIRE 90 days, or `retention.conversationsMs`, after the last use. Writers: submit, end, conversation. */
  conversation(tenant: string, id: string): string;
  /** List of run ids: its runs that are not over, in their order; the first has the turn. TTL as `conversation`. Writers: submit, final states. */
  conversationQueue(tenant: string, id: string): string;
  /** List of ConversationTurn JSON. TTL as `conversation`. Writers: end, conversation. */
  conversationTurns(tenant: string, id: string): string;
  /** Sorted set conversation id → last use (epoch ms). PEXPIRE as `conversation`, after the tenant's last use; older members go with each use. Writers: as `conversation`. */
  conversations(tenant: string): string;
  /** Hash of [tenant, agent, version, model, tags if any] JSON → numbers: what the model calls of one UTC day add up to; at most 1,001 rows. PEXPIRE 400 days. Writer: record. */
  totals(day: string): string;
  /** Hash of workerId → WorkerEntry JSON. No TTL: entries that stopped announcing are removed on the next announcement. Writers: announce, withdraw. */
  workers(): string;
  /** Hash of agent name → AgentEntry JSON. No TTL: bounded by the agents of the fleet; a known agent outlives its workers. Writer: announce. */
  agents(): string;
  /** Pub/sub channel: something of this run changed. Publishers: every run script, live text. */
  notifyChannel(runId: string): string;
  /** Pub/sub channel, `<runId> <reason>`: a running attempt should stop. Publishers: cancel, look. */
  stopsChannel(): string;
}

export function keysFor(prefix: string = DEFAULT_PREFIX, shard = 0): Keys {
  const tag = bullPrefix(prefix, shard);
  const ofRun = (runId: string, part: string): string => `${tag}:run:${runId}:${part}`;
  const shared = (name: string): (() => string) => {
    const key = `${tag}:${name}`;
    return () => key;
  };
  return {
    run: (runId) => `${tag}:run:${runId}`,
    items: (runId) => ofRun(runId, "items"),
    journal: (runId, hop) => ofRun(runId, `journal:${hop}`),
    hops: (runId) => ofRun(runId, "hops"),
    recordings: (runId) => ofRun(runId, "recordings"),
    intents: (runId) => ofRun(runId, "intents"),
    approvals: (runId) => ofRun(runId, "approvals"),
    decisions: (runId) => ofRun(runId, "decisions"),
    events: (runId) => ofRun(runId, "events"),
    live: (runId, turn, attempt) => ofRun(runId, `live:${turn}:${attempt}`),
    dispatch: shared("dispatch"),
    timers: shared("timers"),
    retention: shared("retention"),
    pauses: shared("pauses"),
    parked: shared("parked"),
    resuming: shared("resuming"),
    index: shared("index"),
    idem: (tenant, idempotencyKey) => `${tag}:idem:${tenant}:${createHash("sha256").update(idempotencyKey).digest("hex")}`,
    conversation: (tenant, id) => `${tag}:conversation:${tenant}:${id}`,
    conversationQueue: (tenant, id) => `${tag}:conversation:${tenant}:${id}:queue`,
    conversationTurns: (tenant, id) => `${tag}:conversation:${tenant}:${id}:turns`,
    conversations: (tenant) => `${tag}:conversations:${tenant}`,
    totals: (day) => `${tag}:totals:${day}`,
    workers: shared("workers"),
    agents: shared("agents"),
    notifyChannel: (runId) => ofRun(runId, "notify"),
    stopsChannel: shared("stops"),
  };
}

/** What BullMQ gets as `prefix`, such as `{flotilla:0}`: its keys fall into the shard's slot. */
export const bullPrefix = (prefix: string = DEFAULT_PREFIX, shard = 0): string => `{${prefix}:${shard}}`;

/** BullMQ's hash of a job, there as long as the job is. */
export const bullJobKey = (prefix: string, queue: string, jobId: string): string =>
  `${bullPrefix(prefix, 0)}:${bullQueueName(queue)}:${jobId}`;

/** BullMQ's lock of an active job: a string, the token of the worker that took it. */
export const bullLockKey = (prefix: string, queue: string, jobId: string): string =>
  `${bullPrefix(prefix, 0)}:${bullQueueName(queue)}:${jobId}:lock`;

/** The BullMQ queue of a group of agents. A worker of another protocol major never sees its jobs. */
export const bullQueueName = (queue: string): string => `${queue}.v${PROTOCOL_MAJOR}`;

/** What stands in a member of `index` in place of a status, for failed runs of one reason; as in endings.lua. */
export const failureGroup = (code: string, agent: string): string =>
  `failed:${code}:${agent.replaceAll("%", "%25").replaceAll("/", "%2F")}`;

/** The reason of such a group. */
export function parseFailureGroup(group: string): { readonly code: string; readonly agent: string } {
  const [, code = "", ...agent] = group.split(":");
  return { code, agent: agent.join(":").replaceAll("%2F", "/").replaceAll("%25", "%") };
}

/** A member of `index`. `*` stands in no tenant and no status. */
export const indexMember = (tenant: string | undefined, status: string | undefined, runId: string): string =>
  `${tenant ?? "*"}/${status ?? "*"}/${runId}`;

/** Every member of a final run. `failure`: its group, if it failed. */
export const indexMembersOf = (runId: string, tenant: string, status: string, failure: string | undefined): string[] =>
  [undefined, tenant].flatMap((name) =>
    [undefined, status, ...(failure === undefined ? [] : [failure])].map((stands) => indexMember(name, stands, runId)),
  );
