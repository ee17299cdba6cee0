/** The one factory of Redis connections: how long each role waits for a server that is away, and who hears of it. */
import { Redis, type RedisOptions } from "ioredis";
import { FleetError } from "../protocol/errors.ts";

/** `producer` answers a user, so it gives up after seconds; the others live in processes that outlast a restart of Redis. */
export type RedisRole = "producer" | "worker" | "subscriber";

export interface ConnectRedisOptions {
  /** `redis://`, `rediss://`, `redis+unix:///path.sock?db=1`, `unix:/path.sock` or a plain absolute path. */
  readonly url: string;
  readonly role: RedisRole;
  /** Shown by CLIENT LIST. Default `flotilla`. */
  readonly name?: string;
  /** Called once for each outage, with the first error; ioredis reconnects by itself. */
  readonly onError?: (error: FleetError) => void;
}

const CONNECT_TIMEOUT_MS = 2_000;
const PRODUCER_TIMEOUT_MS = 5_000;
const PRODUCER_RETRIES = 5;
const MAX_RECONNECT_DELAY_MS = 2_000;

/** Opens a connection at once. Commands wait for it; a producer's are refused after a few seconds. The caller disconnects it. */
export function connectRedis({ url, role, name = "flotilla", onError }: ConnectRedisOptions): Redis {
  const options = redisOptions({ url, role, name });
  const redis = options.path === undefined ? new Redis(url, options) : new Redis(options);
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

/** The options of a role, for clients that open their connection themselves. */
export function redisOptions({
  url,
  role,
  name = "flotilla",
}: Omit<ConnectRedisOptions, "onError">): RedisOptions & { replyMapping: "legacy" } {
  return {
    ...unixAddress(url),
    connectionName: `${name}:${role}`,
    // Replies in the shapes of RESP2: BullMQ reads flat lists.
    replyMapping: "legacy",
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (times) => Math.min(times * 100, MAX_RECONNECT_DELAY_MS),
    enableOfflineQueue: true,
    ...(role === "producer"
      ? { maxRetriesPerRequest: PRODUCER_RETRIES, commandTimeout: PRODUCER_TIMEOUT_MS }
      : { maxRetriesPerRequest: null }),
  };
}

/** The error of a server that does not answer. The URL's password is left out. */
export const unreachable = (url: string, cause?: unknown): FleetError =>
  new FleetError(
    "BACKEND_UNREACHABLE",
    `Redis at ${withoutPassword(url)} did not answer${cause instanceof Error ? `: ${cause.message}` : ""}.`,
    {
      ...(cause === undefined ? {} : { cause }),
      at: "redis",
      remedy: "check the Redis URL and that the server runs: flotilla doctor",
    },
  );

/** ioredis takes a socket's path only as an option; a URL of another scheme it reads itself. */
function unixAddress(url: string): { readonly path?: string; readonly db?: number } {
  if (/^rediss?:\/\/./.test(url)) return {};
  const match = /^(?:redis\+unix:(?:\/\/)?|unix:(?:\/\/)?)?(\/[^?]+)(?:\?(?:.*&)?db=(\d+))?/.exec(url);
  if (match?.[1] === undefined) {
    throw new FleetError(
      "INPUT_INVALID",
      `Expected a Redis URL such as redis://localhost:6379; got ${JSON.stringify(withoutPassword(url))}.`,
      {
        at: "redis",
        remedy: "use redis://, rediss:// or unix:/path/to/redis.sock",
      },
    );
  }
  return { path: match[1], ...(match[2] === undefined ? {} : { db: Number(match[2]) }) };
}

const withoutPassword = (url: string): string => url.replace(/\/\/[^@/]*@/, "//");
