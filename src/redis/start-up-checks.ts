/** What a Redis must be before work is trusted to it. */
import type { Redis } from "ioredis";
import { FleetError } from "../protocol/errors.ts";
import { addressOf, primariesOf } from "./connection.ts";

const OLDEST_VERSION = [6, 2] as const;

export interface RedisCheckOptions {
  /** Accept a server that may evict keys. Runs can then vanish. Default false. */
  readonly allowEviction?: boolean;
}

export interface RedisReport {
  readonly version: string;
  /** Undefined when the server does not tell. */
  readonly evictionPolicy: string | undefined;
  /** What could not be checked, for people. */
  readonly notes: readonly string[];
}

/**
 * @throws FleetError BACKEND_UNREACHABLE when the server does not answer; REDIS_TOO_OLD before 6.2; REDIS_EVICTS when its policy is not
 *   noeviction; REDIS_REPLY_MAPPING for a client whose replies BullMQ cannot read.
 */
export async function checkRedis(redis: Redis, options: RedisCheckOptions = {}): Promise<RedisReport> {
  checkReplyMapping(redis);
  await firstContact(redis);
  // A Cluster is as good as its worst node.
  const [first, ...others] = await Promise.all(primariesOf(redis).map((server) => checkServer(server, options)));
  if (first === undefined) throw unreachable(redis, undefined);
  return { ...first, notes: [...new Set([first, ...others].flatMap(({ notes }) => notes))] };
}

async function checkServer(redis: Redis, options: RedisCheckOptions): Promise<RedisReport> {
  const notes: string[] = [];
  const server = await readInfo(redis, "server");
  const version = server === undefined ? undefined : fieldOf(server, "redis_version");
  if (version === undefined) notes.push("The server's version could not be read (INFO is not permitted); 6.2 or newer is needed.");
  else checkVersion(version, redis);
  const evictionPolicy = await readEvictionPolicy(redis);
  if (evictionPolicy === undefined) {
    notes.push("The eviction policy could not be read (INFO and CONFIG are not permitted); make sure that it is noeviction.");
  } else if (evictionPolicy !== "noeviction" && options.allowEviction !== true) {
    throw new FleetError("REDIS_EVICTS", `The eviction policy is ${evictionPolicy}: Redis may drop runs when its memory is full.`, {
      at: addressOf(redis),
      remedy: "set it with: redis-cli CONFIG SET maxmemory-policy noeviction (and in redis.conf, so that it lasts)",
    });
  }
  return { version: version ?? "unknown", evictionPolicy, notes };
}

/** A worker's client retries for ever and holds its commands back meanwhile; at start-up the first failure is the answer. */
function firstContact(redis: Redis): Promise<void> {
  if (redis.status === "ready") return Promise.resolve();
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      redis.off("ready", onReady).off("error", onError).off("end", onError);
      settle();
    };
    const onReady = (): void => finish(resolve);
    const onError = (error?: unknown): void => finish(() => reject(unreachable(redis, error)));
    redis.once("ready", onReady).once("error", onError).once("end", onError);
    if (redis.status === "end") onError();
    // A client that waits to be used has to be told; its failure arrives as the event too.
    if (redis.status === "wait") redis.connect().catch(() => undefined);
  });
}

/** With `resp3` BullMQ's stream reads come back as maps: its events stop without an error. */
function checkReplyMapping(redis: Redis): void {
  const [options] = primariesOf(redis).map((server) => server.options);
  const mapping: unknown = options === undefined ? undefined : Reflect.get(options, "replyMapping");
  if (mapping !== "resp3") return;
  throw new FleetError("REDIS_REPLY_MAPPING", 'The client was made with replyMapping: "resp3", which BullMQ cannot read.', {
    at: "replyMapping",
    remedy: "leave the option out",
  });
}

function checkVersion(version: string, redis: Redis): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNewEnough = major > OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor >= OLDEST_VERSION[1]);
  if (isNewEnough) return;
  throw new FleetError("REDIS_TOO_OLD", `The server is Redis ${version}; ${OLDEST_VERSION.join(".")} is the oldest supported version.`, {
    at: addressOf(redis),
    remedy: "upgrade the server to Redis 7 or Valkey 8",
  });
}

async function readEvictionPolicy(redis: Redis): Promise<string | undefined> {
  const memory = await readInfo(redis, "memory");
  const fromInfo = memory === undefined ? undefined : fieldOf(memory, "maxmemory_policy");
  if (fromInfo !== undefined) return fromInfo;
  const reply = await orRefused(redis, () => redis.config("GET", "maxmemory-policy"));
  return Array.isArray(reply) && typeof reply[1] === "string" ? reply[1] : undefined;
}

const readInfo = (redis: Redis, section: string): Promise<string | undefined> => orRefused(redis, () => redis.info(section));

const fieldOf = (info: string, name: string): string | undefined => new RegExp(`^${name}:(.+?)\\r?$`, "m").exec(info)?.[1];

/** Undefined when the server answered with an error, such as NOPERM or an unknown command. */
async function orRefused<T>(redis: Redis, command: () => Promise<T>): Promise<T | undefined> {
  try {
    return await command();
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError" && !/^(NOAUTH|WRONGPASS)/.test(error.message)) return undefined;
    throw unreachable(redis, error);
  }
}

function unreachable(redis: Redis, reported: unknown): FleetError {
  // A Cluster's client says that all nodes failed; why stands beside it.
  const cause = reported instanceof Error && "lastNodeError" in reported ? reported.lastNodeError : reported;
  const refusal = cause instanceof Error ? /^(NOAUTH|WRONGPASS)/.exec(cause.message)?.[1] : undefined;
  if (refusal !== undefined) {
    return new FleetError("BACKEND_UNREACHABLE", `Redis wants ${refusal === "NOAUTH" ? "a" : "another"} password (${refusal}).`, {
      cause,
      at: addressOf(redis),
      remedy: "put it into REDIS_URL: redis://:password@host:6379, or redis://user:password@host:6379",
    });
  }
  return new FleetError("BACKEND_UNREACHABLE", `Redis did not answer${reasonOf(cause)}.`, {
    cause,
    at: addressOf(redis),
    remedy: "start it, or correct REDIS_URL",
  });
}

/** Node's error for a name with several addresses has no message of its own, only a code. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  const text = cause.message || ("code" in cause ? String(cause.code) : "");
  return text === "" ? "" : `: ${text.replace(/\.$/, "")}`;
}
