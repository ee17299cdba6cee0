/**
 * Puts runs into the fleet. A submit that was answered is durable: the store holds the run before its wake is offered to a queue,
 * and a wake that could not be offered is found by the reconciler (I3).
 */
import { type Clock, inTime } from "../clock.ts";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import { agentNameSchema } from "../protocol/ids.ts";
import type { WakeJob } from "../protocol/job.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { PauseNote, PauseScope, ScopePause } from "../protocol/pause.ts";
import type { Retention } from "../protocol/retention.ts";
import type { RunInfo } from "../protocol/run.ts";
import type { FailureGroup, FailureQuery, ListQuery, LiveText, RunStore } from "../protocol/run-store.ts";
import type { InputSchema } from "../protocol/structured-input.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import type { WakeQueue } from "../protocol/wake-queue.ts";
import { reach } from "./backend.ts";
import { acceptedId, unknownAgent } from "./accepted.ts";
import { type CancelFilter, cancelMany, type CancelledMany, countCancellable, parseFilter } from "./cancel-many.ts";
import { type CostQuery, type CostReport, readCosts } from "./costs.ts";
import { type Conversations, createConversations } from "./conversations.ts";
import { type ApprovalPage, type ApprovalQuery, listApprovals } from "./list-approvals.ts";
import { countTenant, removeRun, removeTenant, type TenantCount, type TenantRemoval } from "./remove-runs.ts";
import { pauseScope, resumeScope, type ScopePaused, type ScopeResumed } from "./pause-scopes.ts";
import {
  countResolvable,
  type ManyResolution,
  parseResolveFilter,
  type ResolveFilter,
  type ResolvedMany,
  resolveMany,
} from "./resolve-many.ts";
import { type Retried, retryMany } from "./retry-many.ts";
import { createRunHandle, type RunDeps, type RunHandle } from "./run-handle.ts";
import { runIds } from "./run-ids.ts";
import { readStats, type StatsQuery, type StatsReport } from "./stats/read-stats.ts";
import { createSecondChances, type Draft, type RetryOptions } from "./second-chances.ts";
import { draftSubmission, type SubmitOptions } from "./submission.ts";
import type { AgentName, FleetTypes, InputOf } from "./types.ts";

export const PRODUCER_DEFAULTS = {
  /** How long a run that is cancelled from here stays readable: 7 days. */
  retentionMs: 7 * 24 * 60 * 60 * 1_000,
} as const;

/** The agents a producer knows by itself. */
export type CatalogPort = ReadonlyMap<
  string,
  { readonly queue: string; readonly version: string; readonly input?: InputSchema | undefined }
>;

export interface RunProducerDeps {
  readonly store: RunStore;
  readonly live: LiveText;
  readonly queue: WakeQueue;
  readonly clock: Clock;
  /** The fleet's own agents. Without it the registry of live workers tells where an agent lives. */
  readonly agents?: CatalogPort;
  readonly defaults?: Pick<SubmitOptions, "tenant" | "priority" | "deadlineMs" | "maxHops"> & { readonly retentionMs?: Retention };
  /** Makes run ids. Default: `r0-` and a lower-case ULID that grows within a process. */
  readonly makeRunId?: () => string;
}

export type RunRequest<A extends FleetTypes = FleetTypes> = {
  readonly [Name in AgentName<A>]: SubmitOptions & { readonly agent: Name; readonly input: InputOf<A, Name> };
}[AgentName<A>];

/** One answer per request, in their order. */
export type Submitted<A extends FleetTypes = FleetTypes> =
  | { readonly index: number; readonly run: RunHandle<A> }
  | { readonly index: number; readonly error: FleetError };

/** Whose run is meant: another's is answered as one that is not there. Default: the producer's own tenant; without one, anybody's. */
export interface OfTenant {
  readonly tenant?: string | undefined;
}

export interface RunProducer<A extends FleetTypes = FleetTypes> {
  readonly conversations: Conversations;
  /** @throws FleetError AGENT_UNKNOWN, NO_WORKERS, IDEMPOTENCY_CONFLICT, INPUT_INVALID, INPUT_TOO_LARGE, BACKEND_UNREACHABLE and more. */
  submit<Name extends AgentName<A>>(agent: Name, input: InputOf<A, Name>, options?: SubmitOptions): Promise<RunHandle<A>>;
  /**
   * Submits while it is read: it takes the next requests only when the answers before were taken, so memory stays bounded.
   * A request that is refused is answered with its error; the others go on. Throws BACKEND_UNREACHABLE when the store goes away:
   * then all before the last answer are submitted, and with idempotency keys the whole may be sent again.
   */
  submitMany(requests: Iterable<RunRequest<A>> | AsyncIterable<RunRequest<A>>): AsyncIterable<Submitted<A>>;
  /** Attaches to a run by its id, without asking whether it is there. */
  run(id: string, options?: OfTenant): RunHandle<A>;
  /** Runs, newest first. */
  list(query: ListQuery): Promise<RunInfo[]>;
  /** What waits for a person's decision, from an index of such runs. */
  approvals(query?: ApprovalQuery): Promise<ApprovalPage>;
  /** Deletes a run that is over, with all that is kept of it. @throws FleetError RUN_UNKNOWN, RUN_LIVE, BACKEND_UNREACHABLE. */
  remove(id: string, options?: OfTenant): Promise<void>;
  /** Deletes all runs and conversations of a tenant that are over, in batches; `live` says how many runs were left because they are not. */
  removeTenant(tenant: string): Promise<TenantRemoval>;
  /** What `removeTenant` would find now. */
  countTenant(tenant: string): Promise<TenantCount>;
  /** Cancels all live runs that match, in batches. @throws FleetError INPUT_INVALID for an empty filter, BACKEND_UNREACHABLE. */
  cancelMany(filter: CancelFilter): Promise<CancelledMany>;
  /** How many runs `cancelMany` would find now. */
  countCancellable(filter: CancelFilter): Promise<number>;
  /**
   * Says the same of all runs that are suspended for the same reason, in batches: of a diverged replay `resample` or `fail`, of a loop
   * `continue` or `fail`, of an unknown effect `fail`. @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE.
   */
  resolveMany(filter: ResolveFilter, resolution: ManyResolution): Promise<ResolvedMany>;
  /** How many runs `resolveMany` would find now. @throws FleetError as it. */
  countResolvable(filter: ResolveFilter, resolution: ManyResolution): Promise<number>;
  /**
   * Holds back all runs that an agent has, or all of a tenant: none begins, and what runs finishes its present step. Submits are taken in.
   * @throws FleetError INPUT_INVALID, INPUT_TOO_LARGE, BACKEND_UNREACHABLE.
   */
  pause(scope: PauseScope, note: PauseNote): Promise<ScopePaused>;
  /** Queues all of them again, oldest first. @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE. */
  resume(scope: PauseScope): Promise<ScopeResumed>;
  /** Which agents and tenants are paused, by whom and why. */
  pauses(): Promise<ScopePause[]>;
  /** Failed runs that nobody retried, by code and agent. */
  failures(query?: FailureQuery): Promise<FailureGroup[]>;
  /**
   * What the model calls of some days cost, of all tenants unless the producer or the query has one.
   * @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE.
   */
  costs(query?: CostQuery): Promise<CostReport>;
  /**
   * How agents do, by agent and version: read from the events of the newest runs that are kept, of all tenants unless one is meant.
   * @throws FleetError INPUT_INVALID, BACKEND_UNREACHABLE.
   */
  stats(query?: StatsQuery): Promise<StatsReport>;
  /** Retries them while it is read, newest first. One that is refused is answered with its error; the others go on. */
  retryMany(query: FailureQuery & { readonly code: string }, options?: RetryOptions): AsyncIterable<Retried>;
}

export function createRunProducer<A extends FleetTypes = FleetTypes>(deps: RunProducerDeps): RunProducer<A> {
  const { store, queue, clock, agents, makeRunId = runIds(clock) } = deps;
  const { retentionMs = PRODUCER_DEFAULTS.retentionMs, ...defaults } = deps.defaults ?? {};
  const secondChances = createSecondChances({ store, defaults });
  const accept = async (draft: Draft): Promise<string> => {
    const known = agents?.get(draft.agent)?.queue;
    const submission = { ...draft, runId: makeRunId(), ...(known === undefined ? {} : { queue: known }) };
    const reply = await reach(store.submit(submission));
    const id = acceptedId(reply, submission);
    await offer(wakeNow(reply, submission));
    return id;
  };
  const runDeps: RunDeps = { store, live: deps.live, queue, clock, retentionMs, tenant: defaults.tenant, secondChances, accept };
  // A producer of one tenant reaches no other's runs unless that one is named (I11).
  const within = <Q extends { readonly tenant?: string | undefined }>(query: Q): Q =>
    defaults.tenant === undefined || query.tenant !== undefined ? query : { ...query, tenant: defaults.tenant };
  const run = (id: string, { tenant = defaults.tenant }: OfTenant = {}): RunHandle<A> => createRunHandle<A>({ ...runDeps, tenant }, id);
  const runOf = (id: string, { tenant }: Submission): RunHandle<A> => run(id, defaults.tenant === undefined ? {} : { tenant });

  const prepare = (agent: string, input: unknown, options: SubmitOptions, path?: string): Submission => {
    const entry = entryOf(agents, agent, path);
    const known = entry === undefined ? undefined : (entry.input ?? "text");
    const draft = draftSubmission(agent, input, { ...defaults, ...options }, path, known);
    return { ...draft, runId: makeRunId(), ...(entry === undefined ? {} : { queue: entry.queue }) };
  };
  // The wake is only an offer: the run is stored, and the reconciler offers what could not be added now. So a queue that hangs while Redis
  // changes hands must not hold the submit.
  const offer = async (wakes: readonly WakeJob[]): Promise<void> => {
    if (wakes.length > 0) await inTime(clock, queue.add(wakes), OFFER_MS);
  };

  async function* submitChunk(chunk: readonly Prepared[]): AsyncGenerator<Submitted<A>, void> {
    const ready = chunk.filter((entry) => "submission" in entry);
    const replies = await reach(store.submitMany(ready.map(({ submission }) => submission)));
    await offer(replies.flatMap((reply, index) => wakeNow(reply, ready[index]?.submission)));
    let answered = 0;
    for (const entry of chunk) {
      if ("error" in entry) {
        yield entry;
        continue;
      }
      const reply = replies[answered++];
      yield {
        index: entry.index,
        ...answerOf(() => runOf(acceptedId(reply, entry.submission, `runs[${entry.index}].`), entry.submission)),
      };
    }
  }

  return {
    conversations: createConversations(store, defaults.tenant),
    run,
    list: (query) => reach(store.list(within(query))),
    approvals: (query = {}) => listApprovals(store, within(query)),
    remove: (id, { tenant = defaults.tenant } = {}) => removeRun(deps, id, tenant),
    removeTenant: (tenant) => removeTenant(deps, tenant),
    countTenant: (tenant) => countTenant(store, tenant),
    cancelMany: async (filter) => cancelMany(store, retentionMs, within(parseFilter(filter))),
    countCancellable: async (filter) => countCancellable(store, within(parseFilter(filter))),
    resolveMany: async (filter, resolution) => resolveMany(runDeps, within(parseResolveFilter(filter)), resolution),
    countResolvable: async (filter, resolution) => countResolvable(runDeps, within(parseResolveFilter(filter)), resolution),
    pause: (scope, note) => pauseScope(deps, scope, note),
    resume: (scope) => resumeScope(deps, scope),
    pauses: () => reach(store.pauses()),
    failures: (query = {}) => reach(store.failures(within(query))),
    stats: (query = {}) => readStats({ store, clock, tenant: defaults.tenant }, query),
    costs: (query = {}) => readCosts({ store, clock, tenant: defaults.tenant }, query),
    retryMany: (query, options = {}) => retryMany(store, (id) => run(id, query).retry(options), within(query)),
    async submit(agent, input, options = {}) {
      const submission = prepare(agent, input, options);
      const reply = await reach(store.submit(submission));
      const id = acceptedId(reply, submission);
      await offer(wakeNow(reply, submission));
      return runOf(id, submission);
    },
    async *submitMany(requests) {
      let chunk: Prepared[] = [];
      let index = 0;
      for await (const request of requests) {
        chunk.push(prepareOne(prepare, request, index++));
        if (chunk.length < LIMITS.submitChunk) continue;
        yield* submitChunk(chunk);
        chunk = [];
      }
      if (chunk.length > 0) yield* submitChunk(chunk);
    },
  };
}

/** A run that waits for its turn has no wake yet. A delayed run is offered by the reconciler when it is due. */
const wakeNow = (reply: SubmitReply, submission: Submission | undefined): WakeJob[] =>
  reply.status === "created" && reply.wake !== undefined && submission?.delayMs === 0 ? [reply.wake] : [];

/** How long a submit waits for its wake to be in the queue. Milliseconds. */
const OFFER_MS = 2_000;

type Prepared = { readonly index: number; readonly submission: Submission } | { readonly index: number; readonly error: FleetError };
type Prepare = (agent: string, input: unknown, options: SubmitOptions, path?: string) => Submission;

function prepareOne(
  prepare: Prepare,
  request: SubmitOptions & { readonly agent: string; readonly input: unknown },
  index: number,
): Prepared {
  const answer = answerOf(() => {
    if (request === null || typeof request !== "object") {
      throw new FleetError("INPUT_INVALID", `Expected runs[${index}] to be an object with agent and input; got ${typeof request}.`, {
        at: `runs[${index}]`,
      });
    }
    const { agent, input, ...options } = request;
    return prepare(agent, input, options, `runs[${index}].`);
  });
  return "error" in answer ? { index, error: answer.error } : { index, submission: answer.run };
}

/** Turns a FleetError into an answer; anything else is a bug and passes. */
function answerOf<T>(make: () => T): { readonly run: T } | { readonly error: FleetError } {
  try {
    return { run: make() };
  } catch (error) {
    if (isFleetError(error)) return { error };
    throw error;
  }
}

function entryOf(agents: RunProducerDeps["agents"], agent: string, path = "") {
  const name = agentNameSchema.safeParse(agent);
  if (!name.success) {
    throw new FleetError("INPUT_INVALID", `Expected the name of an agent; got ${JSON.stringify(agent)?.slice(0, 80) ?? "nothing"}.`, {
      at: `${path}agent`,
    });
  }
  if (agents === undefined) return undefined;
  const entry = agents.get(agent);
  if (entry === undefined) throw unknownAgent(agent, [...agents.keys()], path);
  return entry;
}
