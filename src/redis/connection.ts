/** The one factory of Redis connections: how long each role waits for a server that is away, and who hears of it. */
import { Writable } from "node:stream";
import { Cluster, type ClusterOptions, type DNSLookupFunction, Redis, type RedisOptions } from "ioredis";
import { FleetError } from "../protocol/errors.ts";
import { parseRedisAddress, redactRedisUrl, type RedisAddress, type RedisLogin } from "./address.ts";

/** `producer` answers a user, so it gives up after seconds; the others live in processes that outlast a restart of Redis. */
export type RedisRole = "producer" | "worker" | "subscriber";

export interface ConnectRedisOptions {
  /**
   * `redis://`, `rediss://`, `redis+sentinel://host:port,host:port/<master>`, `redis+cluster://host:port,host:port`,
   * `redis+unix:///path.sock?db=1`, `unix:/path.sock` or a plain absolute path. See docs/how-to/redis.md.
   */
  readonly url: string;
  readonly role: RedisRole;
  /** Shown by CLIENT LIST. Default `flotilla`. */
  readonly name?: string;
  /** Called once for each outage, with the first error; ioredis reconnects by itself. */
  readonly onError?: (error: FleetError) => void;
}

const CONNECT_TIMEOUT_MS = 2_000;
const PRODUCER_TIMEOUT_MS = 5_000;
/** Of Sentinel and Cluster: a failover is no outage, and takes seconds. */
const PRODUCER_FAILOVER_TIMEOUT_MS = 10_000;
const PRODUCER_RETRIES = 5;
const MAX_RECONNECT_DELAY_MS = 2_000;
/** A redirection that leads back to where it came from must not spin. */
const MOVED_DELAY_MS = 20;

/** Opens a connection at once. Commands wait for it; a producer's are refused after a few seconds. The caller disconnects it. */
export function connectRedis({ url, role, name = "flotilla", onError }: ConnectRedisOptions): Redis {
  const address = parseRedisAddress(url);
  const redis = address.kind === "cluster" ? openCluster(address, role, name) : writeTogether(new Redis(optionsFor(address, role, name)));
  let told = false;
  redis.on("ready", () => {
    told = false;
  });
  // Without a listener ioredis prints every failed reconnect, for ever.
  redis.on("error", (error: Error) => {
    if (told) return;
    told = true;
    onError?.(unreachable(url, error));
  });
  return redis;
}

/**
 * The options of a role, for clients that open their connection themselves.
 * @throws FleetError INPUT_INVALID for the address of a Cluster, which takes another client.
 */
export function redisOptions({
  url,
  role,
  name = "flotilla",
}: Omit<ConnectRedisOptions, "onError">): RedisOptions & { replyMapping: "legacy" } {
  const address = parseRedisAddress(url);
  if (address.kind !== "cluster") return optionsFor(address, role, name);
  throw new FleetError("INPUT_INVALID", "A Cluster has no options of one connection.", { at: "redis", remedy: "use connectRedis" });
}

/**
 * What many runs send before the loop goes on leaves in one write, which costs about as much as making a command. Not by ioredis' own
 * pipelining: an object for each batch costs more than it saves.
 */
function writeTogether(redis: Redis): Redis {
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, stream) => {
    const socket = redis.stream;
    // None before the first connection; a Node stream in any case, of which ioredis names only a part.
    if (socket instanceof Writable && socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return send(command, stream);
  };
  return redis;
}

/** Opens a further connection of the same address that only subscribes; it waits for Redis for ever. The caller disconnects it. */
export function openSubscriber(redis: Redis): Redis {
  // A Cluster's own subscriber moves to another node by itself; its `duplicate` takes other arguments.
  const subscriber = redis.isCluster
    ? redis.duplicate()
    : redis.duplicate({ maxRetriesPerRequest: null, enableOfflineQueue: true, lazyConnect: false });
  // ioredis reconnects by itself; what went wrong is told by the connection that reads and writes.
  subscriber.on("error", () => {});
  return subscriber;
}

/** Every server that holds keys: a Cluster has several. */
export function primariesOf(redis: Redis): Redis[] {
  return asCluster(redis)?.nodes("master") ?? [redis];
}

/** Where a connection leads, for people; without credentials. */
export function addressOf(redis: Redis): string {
  const cluster = asCluster(redis);
  if (cluster !== undefined) return `the Cluster of ${cluster.nodes().map(addressOf).join(", ")}`;
  const { path, host, port, sentinels, name } = redis.options;
  if (sentinels !== undefined && sentinels !== null) return `${name ?? "mymaster"} of ${sentinels.length} sentinels`;
  return path ?? `${host ?? "localhost"}:${port ?? 6379}`;
}

/** The error of a server that does not answer. The URL's password is left out. */
export const unreachable = (url: string, cause?: unknown): FleetError =>
  new FleetError(
    "BACKEND_UNREACHABLE",
    `Redis at ${redactRedisUrl(url)} did not answer${cause instanceof Error ? `: ${cause.message}` : ""}.`,
    {
      ...(cause === undefined ? {} : { cause }),
      at: "redis",
      remedy: "check the Redis URL and that the server runs: flotilla doctor",
    },
  );

type ClusterAddress = Extract<RedisAddress, { kind: "cluster" }>;

function optionsFor(address: Exclude<RedisAddress, ClusterAddress>, role: RedisRole, name: string) {
  return {
    ...placeOf(address),
    ...sharedOptions(role, name),
    enableOfflineQueue: true,
    retryStrategy: (times: number) => Math.min(times * 100, MAX_RECONNECT_DELAY_MS),
    // A primary that became a replica: connect again, where Sentinel or DNS now point, and send the command once more (I12).
    reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? 2 : false),
    ...(role === "producer" ? producerPatience(address) : { maxRetriesPerRequest: null }),
  } satisfies RedisOptions;
}

const producerPatience = ({ kind }: RedisAddress): Pick<RedisOptions, "maxRetriesPerRequest" | "commandTimeout"> =>
  kind === "sentinel"
    ? { maxRetriesPerRequest: null, commandTimeout: PRODUCER_FAILOVER_TIMEOUT_MS }
    : { maxRetriesPerRequest: PRODUCER_RETRIES, commandTimeout: PRODUCER_TIMEOUT_MS };

const sharedOptions = (role: RedisRole, name: string) => ({
  connectionName: `${name}:${role}`,
  // Replies in the shapes of RESP2: BullMQ reads flat lists.
  replyMapping: "legacy" as const,
  connectTimeout: CONNECT_TIMEOUT_MS,
});

function placeOf(address: Exclude<RedisAddress, ClusterAddress>): RedisOptions {
  if (address.kind === "socket") return { path: address.path, db: address.db, ...address.login };
  const { nodes, login, tls, family, db } = address;
  const common = { ...login, db, ...(family === undefined ? {} : { family }), ...(tls === undefined ? {} : { tls }) };
  if (address.kind === "single") return { ...common, ...nodes[0] };
  return {
    ...common,
    sentinels: [...nodes],
    name: address.master,
    // A primary whose machine is gone closes no connection: the sentinels tell.
    failoverDetector: true,
    ...sentinelLoginOf(address.sentinelLogin),
    ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  };
}

const sentinelLoginOf = ({ username, password }: RedisLogin): RedisOptions => ({
  ...(username === undefined ? {} : { sentinelUsername: username }),
  ...(password === undefined ? {} : { sentinelPassword: password }),
});

function openCluster({ nodes, login, tls, family }: ClusterAddress, role: RedisRole, name: string): Redis {
  const options = {
    redisOptions: {
      ...login,
      ...(family === undefined ? {} : { family }),
      ...(tls === undefined ? {} : { tls }),
      ...sharedOptions(role, name),
      // BullMQ refuses a client that gives up by itself; how long a producer waits is said below.
      maxRetriesPerRequest: null,
    },
    clusterRetryStrategy: (times: number) => Math.min(times * 100, MAX_RECONNECT_DELAY_MS),
    // Redirections are counted for hours of failover and resharding, too: time ends a producer's wait, nothing ends a worker's.
    maxRedirections: Number.MAX_SAFE_INTEGER,
    retryDelayOnMoved: MOVED_DELAY_MS,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // A certificate holds names: they must not be turned into addresses first.
    ...(tls === undefined ? {} : { dnsLookup: keepName }),
  } satisfies ClusterOptions;
  const cluster = new Cluster([...nodes], options);
  if (role === "producer") limitPatience(cluster);
  // The same commands by the same names, pipelines and scripts included. What differs (`duplicate`, `options`) is met in this file only.
  return cluster as unknown as Redis;
}

const keepName: DNSLookupFunction = (host, done) => done(null, host);

/** `commandTimeout` begins at a node; a command that waits until there is one has to end, too. */
function limitPatience(cluster: Cluster): void {
  const send = cluster.sendCommand.bind(cluster);
  cluster.sendCommand = (command, stream, node) => {
    command.setTimeout(PRODUCER_FAILOVER_TIMEOUT_MS);
    return send(command, stream, node);
  };
}

// The inverse of what `openCluster` did.
const asCluster = (redis: Redis): Cluster | undefined => (redis.isCluster ? (redis as unknown as Cluster) : undefined);
