/** Loads the Lua scripts and sends them. A script is a name here; its contract stands in the header of its file. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ChainableCommander, Redis } from "ioredis";

const RUN_SCRIPTS = [
  "submit",
  "begin",
  "record",
  "open-intent",
  "end",
  "cancel",
  "resolve",
  "decide",
  "announced",
  "look",
  "take-back",
  "pause",
  "resume",
  "unpark",
] as const;
const PLAIN_SCRIPTS = ["renew", "due", "glance", "sweep", "remove", "conversation", "pause-scope", "resume-scope", "parked"] as const;
export type ScriptName = (typeof RUN_SCRIPTS)[number] | (typeof PLAIN_SCRIPTS)[number];
export const SCRIPT_NAMES: readonly ScriptName[] = [...RUN_SCRIPTS, ...PLAIN_SCRIPTS];

export interface ScriptCall {
  readonly name: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

interface Script {
  readonly source: string;
  readonly sha1: string;
}

const scripts = new Map<ScriptName, Script>();

/** The text that Redis runs, prelude included. The path holds from `src/redis` and from `dist/redis`: the package ships `src`. */
export function scriptSource(name: ScriptName): string {
  const read = (file: string): string => readFileSync(new URL(`../../src/redis/scripts/${file}.lua`, import.meta.url), "utf8");
  const isRunScript = RUN_SCRIPTS.some((known) => known === name);
  return isRunScript
    ? `${read("prelude")}\nlocal function main()\n${read(name)}\nend\nlocal reply = answer(main)\nflush()\nreturn reply`
    : read(name);
}

/** Sends one script. Redis forgets scripts when it restarts, so NOSCRIPT is answered with the text. */
export async function runScript(redis: Redis, call: ScriptCall): Promise<unknown> {
  const { source, sha1 } = script(call.name);
  try {
    return await redis.evalsha(sha1, call.keys.length, ...call.keys, ...call.args);
  } catch (error) {
    if (!isNoScript(error)) throw error;
    return redis.eval(source, call.keys.length, ...call.keys, ...call.args);
  }
}

/**
 * Sends scripts, and what `more` adds, as one pipeline; the replies stand in that order. An error is a reply of its own.
 * Sent again as a whole on NOSCRIPT: `more` may only read, and scripts may be sent twice (I12).
 */
export async function runPipeline(
  redis: Redis,
  calls: readonly ScriptCall[],
  more?: (pipeline: ChainableCommander) => void,
): Promise<unknown[]> {
  const send = async (form: "evalsha" | "eval"): Promise<[Error | null, unknown][]> => {
    const pipeline = redis.pipeline();
    for (const call of calls) {
      const { source, sha1 } = script(call.name);
      pipeline[form](form === "eval" ? source : sha1, call.keys.length, ...call.keys, ...call.args);
    }
    more?.(pipeline);
    return (await pipeline.exec()) ?? [];
  };
  let replies = await send("evalsha");
  if (replies.some(([error]) => isNoScript(error))) replies = await send("eval");
  return replies.map(([error, reply]) => error ?? reply);
}

function script(name: ScriptName): Script {
  const loaded = scripts.get(name);
  if (loaded !== undefined) return loaded;
  const source = scriptSource(name);
  const fresh = { source, sha1: createHash("sha1").update(source).digest("hex") };
  scripts.set(name, fresh);
  return fresh;
}

const isNoScript = (error: unknown): boolean => error instanceof Error && error.message.includes("NOSCRIPT");
