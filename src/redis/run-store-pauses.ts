/** Pauses of runs, agents and tenants. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { LIMITS } from "../protocol/limits.ts";
import { parseScopeId, type PauseNote, type PauseReply, type PauseScope, type PauseStore, scopeId } from "../protocol/pause.ts";
import { FINAL_STATUSES, pauseSchema, runStatusSchema } from "../protocol/run.ts";
import { parsePause, parseStrings, parseWakeJob } from "./record-parse.ts";
import { answered, callForStrings, explained, runCall, type StoreContext } from "./run-store-context.ts";
import { runPipeline, runScript, type ScriptCall } from "./scripts.ts";

export function createPauses(context: StoreContext): PauseStore {
  const { redis, keys } = context;
  return {
    async pause(runId, note) {
      return pauseReply(await callForStrings(context, "pause", runId, { said: randomUUID(), note: members(note) }));
    },
    async resume(runId) {
      const [status, first = ""] = await callForStrings(context, "resume", runId, { said: randomUUID() });
      if (status === "resumed") return { status, next: parseWakeJob(first) };
      if (status === "held") return { status, pause: parsePause(first) };
      if (status === "not-paused") return { status, as: runStatusSchema.parse(first) };
      return { status: z.literal("unknown").parse(status) };
    },
    async pauseScope(scope, note) {
      const kind = "agent" in scope ? "agent" : "tenant";
      const args = [scopeId(scope), kind, members(note), LIMITS.pausesAtOnce];
      const call = { name: "pause-scope", keys: [keys.pauses(), keys.resuming()], args } as const;
      const [status, earlier = ""] = parseStrings(await answered(runScript(redis, call)));
      if (status === "already-paused") return { status, pause: parsePause(earlier) };
      if (status === "too-many") return { status, limit: LIMITS.pausesAtOnce };
      return { status: z.literal("paused").parse(status) };
    },
    async resumeScope(scope) {
      const call: ScriptCall = { name: "resume-scope", keys: [keys.pauses(), keys.resuming()], args: [scopeId(scope)] };
      const was = z.int().parse(await answered(runScript(redis, call)));
      return { status: was === 1 ? "resumed" : "not-paused" };
    },
    unpark: (scope, limit) => unpark(context, scope, limit),
    async pauses() {
      const entries = Object.entries(await answered(redis.hgetall(keys.pauses())));
      return entries.map(([id, json]) => ({ scope: parseScopeId(id), pause: parsePause(json) }));
    },
  };
}

/** The note as members of the JSON object to which a script adds scope and time. */
const members = (note: PauseNote): string => JSON.stringify(note).slice(1, -1);

function pauseReply([status, first = ""]: string[]): PauseReply {
  switch (z.enum(["paused", "requested", "already-paused", "already-final", "unknown"]).parse(status)) {
    case "paused":
      return { status: "paused" };
    case "requested":
      return { status: "requested" };
    case "unknown":
      return { status: "unknown" };
    case "already-paused":
      return { status: "already-paused", pause: pauseSchema.parse(JSON.parse(first)) };
    case "already-final":
      return { status: "already-final", as: z.enum(FINAL_STATUSES).parse(first) };
  }
}

/** One script per run, in one round trip after the one that lists them. */
async function unpark({ redis, keys }: StoreContext, scope: PauseScope, limit: number): ReturnType<PauseStore["unpark"]> {
  const id = scopeId(scope);
  const list: ScriptCall = { name: "parked", keys: [keys.parked(), keys.resuming()], args: [id, limit] };
  const runIds = parseStrings(await answered(runScript(redis, list)));
  if (runIds.length === 0) return { wakes: [], more: false };
  const calls = runIds.map((runId) => runCall(keys, "unpark", runId, { scope: id }));
  const wakes = (await answered(runPipeline(redis, calls))).flatMap((reply) => {
    if (typeof reply !== "string") throw explained(reply);
    return parseWakeJob(reply) ?? [];
  });
  return { wakes, more: true };
}
