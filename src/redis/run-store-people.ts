/** What people say about a run: cancel it, resolve an unknown effect, decide on a tool call. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { FINAL_STATUSES } from "../protocol/run.ts";
import type { Resolution, ResolveReply } from "../protocol/people.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { parseWakeJob } from "./record-parse.ts";
import {
  answered,
  callForString,
  callForStrings,
  JOURNAL_NET_MS,
  members,
  retentionArg,
  type ScriptArgs,
  type StoreContext,
} from "./run-store-context.ts";

export function createPeople(context: StoreContext, get: RunStore["get"]): Pick<RunStore, "cancel" | "resolve" | "decide" | "announced"> {
  return {
    async cancel(runId, retentionMs) {
      const args = { said: randomUUID(), retentionMs: retentionArg(retentionMs), stops: context.keys.stopsChannel() };
      const [status, as] = await callForStrings(context, "cancel", runId, args);
      if (status === "already-final") return { status, as: z.enum(FINAL_STATUSES).parse(as) };
      if (status === "cancelled") return { status, ...(as === undefined || as === "" ? {} : { follower: as }) };
      return { status: z.enum(["requested", "unknown"]).parse(status) };
    },
    async resolve(runId, callId, resolution, retentionMs) {
      const args = {
        said: randomUUID(),
        callId: callId ?? "",
        ...resolutionArgs(callId, resolution),
        journalNetMs: JOURNAL_NET_MS,
        retentionMs: retentionArg(retentionMs),
      };
      return resolveReply(runId, get, await sendResolve(context, runId, args));
    },
    async decide(runId, callId, { id, decision, tenant = "" }) {
      const args = { callId, id, decision: members({ id, ...decision }), tenant };
      return resolveReply(runId, get, await callForStrings(context, "decide", runId, args));
    },
    async announced(runId, wake) {
      await callForString(context, "announced", runId, { wake });
    },
  };
}

/** The stored text of a tool's result is a journal entry, so that the replay finds it as if the tool had answered. */
const resolutionArgs = (callId: string | undefined, resolution: Resolution): ScriptArgs => ({
  resolution: resolution.type,
  journalKey: `t:${callId ?? ""}`,
  value: resolution.type === "ran" ? `{"v":1,"output":${resolution.resultJson}}` : "",
});

/** The journal's key holds the hop, and keys are not built in Lua: read the hop, and read it again if it moved meanwhile. */
async function sendResolve(context: StoreContext, runId: string, args: ScriptArgs): Promise<string[]> {
  for (;;) {
    const hop = Number((await answered(context.redis.hget(context.keys.run(runId), "hop"))) ?? 0);
    const reply = await callForStrings(context, "resolve", runId, { ...args, hop }, context.keys.journal(runId, hop));
    if (reply[0] !== "moved") return reply;
  }
}

async function resolveReply(runId: string, get: RunStore["get"], [status, wakeJson = ""]: string[]): Promise<ResolveReply> {
  switch (z.enum(["resolved", "not-open", "unknown"]).parse(status)) {
    case "resolved":
      return { status: "resolved", next: parseWakeJob(wakeJson) };
    case "unknown":
      return { status: "unknown" };
    case "not-open": {
      const info = await get(runId);
      return info === undefined ? { status: "unknown" } : { status: "not-open", info };
    }
  }
}
