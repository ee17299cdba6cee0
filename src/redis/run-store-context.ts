/** What the parts of the Redis run store share: the connection, the keys, and how one script is sent. */
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Retention } from "../protocol/retention.ts";
import type { Keys } from "./keys.ts";
import { parseStrings } from "./record-parse.ts";
import { runScript, type ScriptCall, type ScriptName } from "./scripts.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** How long past its deadline a journal may stay: a net under the sweeper, which deletes it with its run. */
export const JOURNAL_NET_MS = 35 * DAY_MS;
/** How long an idempotency key outlives the deadline of its run. */
export const IDEM_NET_MS = 30 * DAY_MS;

export interface StoreContext {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly clock: Clock;
  /** Of runs that `begin` itself ends; every other command brings its own. */
  readonly retentionMs: Retention;
  /** Of conversations, from their last use on. */
  readonly conversationKeepMs: number;
}

export type ScriptArgs = Readonly<Record<string, string | number>>;

/** As `retention_ms` of `endings.lua` reads it: one time for all, or JSON by status. */
export const retentionArg = (retention: Retention): string =>
  typeof retention === "number" ? String(retention) : JSON.stringify(retention);

/** Arguments up to this many characters travel together: each one sent alone costs the client more than its text. */
const TOGETHER_CHARS = 512;

/** The keys and arguments that `prelude.lua` expects, in its order: the short arguments as one JSON object, each long one by name. */
export function runCall(keys: Keys, name: ScriptName, runId: string, args: ScriptArgs, ...extraKeys: readonly string[]): ScriptCall {
  const ofRun = [keys.run(runId), keys.items(runId), keys.intents(runId), keys.approvals(runId), keys.decisions(runId), keys.events(runId)];
  const ofShard = [keys.dispatch(), keys.timers(), keys.retention(), keys.index(), keys.agents(), keys.pauses(), keys.parked()];
  const together: Record<string, string> = { runId, channel: keys.notifyChannel(runId), maxEvents: String(LIMITS.eventsPerRun) };
  const alone: string[] = [];
  for (const [argName, value] of Object.entries(args)) {
    // As Redis would store it: half a surrogate pair is no text, and its JSON escape is none to Lua.
    const text = typeof value === "number" ? String(value) : value.toWellFormed();
    if (text === "") continue;
    if (text.length <= TOGETHER_CHARS) together[argName] = text;
    else alone.push(argName, text);
  }
  return {
    name,
    keys: [...ofRun, ...ofShard, ...extraKeys],
    args: [JSON.stringify(together), ...alone],
  };
}

/** The members of an object as JSON text with a comma in front: scripts put time, hop and agent before it. */
export const members = (value: Readonly<Record<string, unknown>>): string => {
  const json = JSON.stringify(value);
  return json === "{}" ? "" : `,${json.slice(1, -1)}`;
};

const textSchema = z.string();

/** Sends a script that answers with a list of strings. */
export async function callForStrings(
  context: StoreContext,
  name: ScriptName,
  runId: string,
  args: ScriptArgs,
  ...extraKeys: readonly string[]
): Promise<string[]> {
  return parseStrings(await answered(runScript(context.redis, runCall(context.keys, name, runId, args, ...extraKeys))));
}

/** Sends a script that answers with one string. */
export async function callForString(
  context: StoreContext,
  name: ScriptName,
  runId: string,
  args: ScriptArgs,
  ...extraKeys: readonly string[]
): Promise<string> {
  return textSchema.parse(await answered(runScript(context.redis, runCall(context.keys, name, runId, args, ...extraKeys))));
}

/** The same promise, its errors told apart for the user. */
export async function answered<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply;
  } catch (error) {
    throw explained(error);
  }
}

/** A FleetError for what a user can act on; anything else as it came. */
export function explained(error: unknown): unknown {
  if (isFleetError(error) || !(error instanceof Error)) return error;
  if (error.message.startsWith("OOM")) return memoryFull("Redis refused a write: it is out of memory.", error);
  const lost =
    error.name === "MaxRetriesPerRequestError" ||
    /^NOAUTH|^WRONGPASS|Connection is closed|isn't writeable|Command timed out|ECONN|ENOENT|ETIMEDOUT|access a non local key/.test(
      error.message,
    );
  if (!lost) return error;
  // The client would speak of its own option.
  const why = error.name === "MaxRetriesPerRequestError" ? "the connection was lost, and could not be made again." : error.message;
  return new FleetError("BACKEND_UNREACHABLE", `Redis did not answer: ${why}`, {
    cause: error,
    at: "redis",
    remedy: "check the Redis URL and that the server runs: flotilla doctor",
  });
}

export const memoryFull = (message: string, cause?: unknown): FleetError =>
  new FleetError("REDIS_MEMORY_FULL", message, {
    at: "redis maxmemory",
    remedy: "raise maxmemory or shorten the retention of final runs",
    ...(cause === undefined ? {} : { cause }),
  });
