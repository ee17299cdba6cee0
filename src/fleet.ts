/**
 * The composition root: plugs stores into ports. `createFleet` checks the agents and opens nothing; the first submit, or a worker,
 * opens what it needs.
 */
import type { Redis } from "ioredis";
import type { z } from "zod";
import { type Catalog, createCatalog, type OnVersionChange, type AgentMap, type AgentOptions, type AnyAgent } from "./agents/catalog.ts";
import type { ConversationPolicy } from "./agents/compaction.ts";
import type { Approvers } from "./agents/hop-decisions.ts";
import { currentCaller } from "./agents/hop-state.ts";
import { journaledProvider } from "./agents/journaled-model.ts";
import { type Clock, inTime, systemClock } from "./clock.ts";
import { NO_KEYS, type PayloadCodec } from "./codec/payload-codec.ts";
import { createSealedLiveText } from "./codec/sealed-live-text.ts";
import { createSealedRunStore } from "./codec/sealed-run-store.ts";
import { parseModelEnv } from "./models/env.ts";
import { patientProvider } from "./models/patience.ts";
import { createModelProvider, type ModelProviderOptions } from "./models/provider.ts";
import { createBullWakeQueue } from "./producers/bull-wake-queue.ts";
import { lazyProducer } from "./producers/lazy-producer.ts";
import { createRunProducer, type RunProducer } from "./producers/run-producer.ts";
import type { SubmitOptions } from "./producers/submission.ts";
import type { RunInput } from "./producers/types.ts";
import { FleetError } from "./protocol/errors.ts";
import { parseConversationKeepMs, parseRetention, type Retention, type RetentionOptions } from "./protocol/retention.ts";
import type { LiveText, RunStore } from "./protocol/run-store.ts";
import type { InputSchema } from "./protocol/structured-input.ts";
import { connectRedis } from "./redis/connection.ts";
import { DEFAULT_PREFIX } from "./redis/keys.ts";
import { createRedisLiveText } from "./redis/redis-live-text.ts";
import { createRedisRunStore } from "./redis/redis-run-store.ts";
import { checkRedis } from "./redis/start-up-checks.ts";
import { checkPeers } from "./peers.ts";
import { type Log, silentLog } from "./telemetry/log.ts";
import type { FleetHooks } from "./workers/announce-approvals.ts";
import { type FleetWorker, startFleetWorker, WORKER_DEFAULTS, type WorkerOptions } from "./workers/fleet-worker.ts";
import type { MakeContext } from "./workers/process-wake.ts";
import { RETRY_POLICY } from "./workers/retry-policy.ts";

type AgentIn<V> = V extends AgentOptions<infer A> ? A : V extends AnyAgent ? V : never;
/** What the SDK makes of an agent's `outputType`. */
type OutputIn<V> = ReturnType<AgentIn<V>["processFinalOutput"]>;

type InputIn<V> = V extends { readonly agent: AnyAgent; readonly input: infer S extends InputSchema } ? z.input<S> : RunInput;

/** By agent name: the types of its output and its input. */
export type AgentsIn<M extends AgentMap> = {
  readonly [Name in keyof M & string]: { readonly output: OutputIn<M[Name]>; readonly input: InputIn<M[Name]> };
};

export interface FleetOptions<M extends AgentMap = AgentMap> extends Pick<ModelProviderOptions, "models" | "credentials" | "prices"> {
  /** By name, which must be the agent's own. */
  readonly agents: M;
  /** Redis' address. Default: REDIS_URL of `env`. */
  readonly redis?: string;
  /** Sets fleets on one Redis apart. Default `flotilla`. */
  readonly prefix?: string;
  /** The deploy's own id, recorded with each hop. Default: FLOTILLA_VERSION of `env`, else `0`. */
  readonly version?: string;
  /** What becomes of hops that began under another version of their agent. Default `continue`. */
  readonly onVersionChange?: OnVersionChange;
  /** Makes the context of a run's tools in the worker; what it adds is never stored. Default: the context as submitted. */
  readonly context?: MakeContext;
  /** Says which decisions on tool calls count; asked in the worker, wherever the decision came from. Default: every decision. */
  readonly approvers?: Approvers;
  /** Called in the worker; what they do or throw never changes a run. */
  readonly hooks?: FleetHooks;
  /** Defaults of each submit. `retentionMs`: how long a run stays readable after its end, where `retention` does not say. */
  readonly defaults?: Pick<SubmitOptions, "tenant" | "priority" | "deadlineMs" | "maxHops"> & { readonly retentionMs?: number };
  /** What becomes of conversations that grow too long for a model. Default: nothing, up to their limit. */
  readonly conversation?: ConversationPolicy;
  /**
   * How long runs stay readable after their end, by how they ended, in milliseconds: default `defaults.retentionMs`, or 7 days.
   * `conversationsMs`: conversations after their last use, default 90 days.
   */
  readonly retention?: RetentionOptions;
  /** Seals what users put into runs before it goes to Redis. Default: nothing is sealed. */
  readonly codec?: PayloadCodec;
  /** Where keys and addresses of model providers are read. Default: the process' environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where workers write. Default: nowhere. */
  readonly log?: Log;
  /** For tests. Default: the machine's. */
  readonly clock?: Clock;
}

export type FleetWorkerOptions = Partial<WorkerOptions> & {
  readonly redis?: string;
  readonly prefix?: string;
  readonly log?: Log;
  /** Default: the fleet's. */
  readonly codec?: PayloadCodec | undefined;
  readonly env?: FleetOptions["env"];
};

/** Submits and looks after runs as a producer does, and works on them. */
export interface Fleet<M extends AgentMap = AgentMap> extends RunProducer<AgentsIn<M>>, AsyncDisposable {
  /** For types only: what `createProducer<typeof fleet>` reads. */
  readonly "~agents"?: AgentsIn<M>;
  readonly catalog: Catalog;
  readonly options: FleetOptions<M>;
  /** Starts taking work in this process. @throws FleetError for a Redis, a model or an option that will not do. */
  worker(options?: FleetWorkerOptions): Promise<FleetWorker>;
  close(): Promise<void>;
}

export function createFleet<const M extends AgentMap>(options: FleetOptions<M>): Fleet<M> {
  checkPeers();
  const catalog = createCatalog(options.agents, versionOf(options), options);
  const clock = options.clock ?? systemClock;
  retentionIn(options);
  const workers = new Set<FleetWorker>();
  let opened: { producer: RunProducer<AgentsIn<M>>; close: () => Promise<void> } | undefined;
  const producer = (): RunProducer<AgentsIn<M>> => {
    opened ??= openProducer(options, catalog, clock);
    return opened.producer;
  };
  return {
    ...lazyProducer(producer),
    get conversations() {
      return producer().conversations;
    },
    catalog,
    options,
    async worker(workerOptions = {}) {
      const worker = await openWorker(options, workerOptions, catalog, clock);
      workers.add(worker);
      void worker.closed.then(() => workers.delete(worker));
      return worker;
    },
    async close() {
      await Promise.all([...workers].map((worker) => worker.close()));
      await opened?.close();
      opened = undefined;
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/** A variable that is set to nothing counts as not set. */
const versionOf = ({ version, env = process.env }: FleetOptions): string => version ?? (env["FLOTILLA_VERSION"] || "0");

/** BullMQ's close waits for ever for a Redis that is away. Milliseconds. */
const CLOSE_MS = 2_000;

function openProducer<M extends AgentMap>(options: FleetOptions<M>, catalog: Catalog, clock: Clock) {
  const { url, prefix } = addressOf(options, {});
  const redis = connectRedis({ url, role: "producer", name: "producer" });
  const { store, live } = openStores(options, options.codec, { redis, prefix, clock });
  const queue = createBullWakeQueue({ redis, prefix });
  const parts = { store, live, queue, clock, agents: catalog };
  return {
    producer: createRunProducer<AgentsIn<M>>({ ...parts, defaults: { ...options.defaults, retentionMs: retentionIn(options) } }),
    async close() {
      await inTime(clock, queue.close(), CLOSE_MS);
      await inTime(clock, store.close(), CLOSE_MS);
      redis.disconnect();
    },
  };
}

/** @throws FleetError INPUT_INVALID */
const retentionIn = ({ retention, defaults }: FleetOptions): Retention => parseRetention(retention ?? {}, defaults?.retentionMs);

function openStores(
  options: FleetOptions,
  codec: PayloadCodec | undefined,
  { redis, prefix, clock }: { readonly redis: Redis; readonly prefix: string; readonly clock: Clock },
): { readonly store: RunStore; readonly live: LiveText } {
  const kept = { retentionMs: retentionIn(options), conversationKeepMs: parseConversationKeepMs(options.retention ?? {}) };
  const store = createSealedRunStore(createRedisRunStore({ redis, clock, prefix, ...kept }), codec ?? NO_KEYS);
  const live = createRedisLiveText({ redis, prefix });
  return { store, live: codec === undefined ? live : createSealedLiveText(live, codec) };
}

async function openWorker<M extends AgentMap>(
  options: FleetOptions<M>,
  given: FleetWorkerOptions,
  catalog: Catalog,
  clock: Clock,
): Promise<FleetWorker> {
  const { url, prefix } = addressOf(options, given);
  const provider = createProvider(options, given.env, catalog, clock);
  const redis = connectRedis({ url, role: "worker", name: "worker" });
  try {
    await checkRedis(redis);
    const { store, live } = openStores(options, given.codec ?? options.codec, { redis, prefix, clock });
    const queue = createBullWakeQueue({ redis, prefix });
    const worker = await startFleetWorker(
      {
        redisUrl: url,
        prefix,
        redis,
        store,
        queue,
        live,
        catalog,
        provider,
        makeContext: options.context ?? (({ context }) => context),
        approvers: options.approvers,
        hooks: options.hooks,
        clock,
        log: given.log ?? options.log ?? silentLog,
        random: Math.random,
      },
      { ...WORKER_DEFAULTS, retentionMs: retentionIn(options), ...defined(given) },
    );
    void worker.closed.then(async () => {
      await inTime(clock, queue.close(), CLOSE_MS);
      await inTime(clock, store.close(), CLOSE_MS);
      redis.disconnect();
    });
    return worker;
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}

function createProvider<M extends AgentMap>(options: FleetOptions<M>, env: FleetOptions["env"], catalog: Catalog, clock: Clock) {
  const variables = env ?? options.env ?? process.env;
  const models = createModelProvider({
    env: parseModelEnv(variables),
    variables,
    currentCaller,
    ...(options.prices === undefined ? {} : { prices: options.prices }),
    ...(options.models === undefined ? {} : { models: options.models }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  });
  const agents = [...catalog.values()].map(({ name, agent }) => ({ name, model: agent.model }));
  const named = [...agents, ...summarisers(catalog)];
  models.check(
    named.flatMap(({ model }) => (typeof model === "string" ? [model] : [])),
    (model) => named.filter((agent) => agent.model === model).map(({ name }) => name),
  );
  return journaledProvider(patientProvider(models, { maxWaitMs: RETRY_POLICY.waitInSlotMs, clock }));
}

/** By the agent whose conversations they sum up. */
const summarisers = (catalog: Catalog) =>
  [...catalog.values()].flatMap(({ name, compaction }) => {
    const how = compaction?.how ?? "drop-oldest";
    return how === "drop-oldest"
      ? []
      : [{ name, model: typeof how.summariseWith === "string" ? how.summariseWith : how.summariseWith.model }];
  });

function addressOf(options: FleetOptions, given: FleetWorkerOptions): { url: string; prefix: string } {
  const url = given.redis ?? options.redis ?? (options.env ?? process.env)["REDIS_URL"];
  if (url === undefined || url === "") {
    throw new FleetError("REDIS_MISSING", "The fleet has no Redis.", {
      at: "redis",
      remedy: "set REDIS_URL, or pass createFleet({ redis: … }); `flotilla dev` starts a private one",
    });
  }
  return { url, prefix: given.prefix ?? options.prefix ?? DEFAULT_PREFIX };
}

const defined = <T extends object>(value: T): Partial<T> =>
  // Only entries with a value are kept, so the result is a Partial of the same type.
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Partial<T>;
