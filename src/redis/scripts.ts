/** Loads the Lua scripts and sends them. A script is a name here; its contract stands in the header of its file. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ChainableCommander, Redis } from "ioredis";

/** Scripts that work on one run, each with what it needs beside the prelude. */
const RUN_SCRIPTS = {
  submit: ["moves"],
  begin: ["moves", "endings"],
  record: ["moves"],
  "open-intent": [],
  end: ["moves", "endings", "people"],
  cancel: ["moves", "endings", "people"],
  resolve: ["moves", "endings", "people"],
  decide: ["moves", "people"],
  announced: ["moves", "people"],
  look: ["moves", "endings", "people"],
  "take-back": ["moves", "endings"],
  pause: ["moves", "people"],
  resume: ["moves", "people"],
  unpark: ["moves", "people"],
} as const;
const PLAIN_SCRIPTS = ["renew", "due", "glance", "sweep", "remove", "conversation", "pause-scope", "resume-scope", "parked"] as const;
export type ScriptName = keyof typeof RUN_SCRIPTS | (typeof PLAIN_SCRIPTS)[number];
// The keys of an object literal of this file.
export const SCRIPT_NAMES: readonly ScriptName[] = [...(Object.keys(RUN_SCRIPTS) as (keyof typeof RUN_SCRIPTS)[]), ...PLAIN_SCRIPTS];

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

/** The text that Redis runs, all that it needs included. The path holds from `src/redis` and from `dist/redis`: the package ships `src`. */
export function scriptSource(name: ScriptName): string {
  const read = (file: string): string => readFileSync(new URL(`../../src/redis/scripts/${file}.lua`, import.meta.url), "utf8");
  if (!isRunScript(name)) return read(name);
  const parts: readonly string[] = RUN_SCRIPTS[name];
  const reply = parts.includes("people") ? "answer(main)" : "main()";
  return [
    ...["prelude", ...parts].map(read),
    "local function main()",
    read(name),
    "end",
    `local reply = ${reply}`,
    "flush()",
    "return reply",
  ].join("\n");
}

const isRunScript = (name: ScriptName): name is keyof typeof RUN_SCRIPTS => name in RUN_SCRIPTS;

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
