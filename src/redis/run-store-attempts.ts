/** What an attempt does with its run: begin, record, open an intent, end, and hold on. */
import { z } from "zod";
import { FINAL_STATUSES, type Loop, runStatusSchema, toldApproval } from "../protocol/run.ts";
import type { BeginCommand, BeginReply, EndCommand, EndReply, Fact, Outcome, RenewReply, StepReply } from "../protocol/attempt.ts";
import type { ConversationStep } from "../protocol/conversation.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { dayOf } from "../protocol/totals.ts";
import { optionalWakeJobSchema, parseBegun } from "./record-parse.ts";
import { parseRecordings } from "./source-parse.ts";
import { readTurns } from "./run-store-conversations.ts";
import {
  answered,
  callForString,
  callForStrings,
  JOURNAL_NET_MS,
  members,
  retentionArg,
  runCall,
  type ScriptArgs,
  type StoreContext,
} from "./run-store-context.ts";
import { tallyArgs } from "./run-store-totals.ts";
import { runScript } from "./scripts.ts";

/** Held runs that one renewal script looks at. */
const RENEW_CHUNK = 100;

type Attempts = Pick<RunStore, "begin" | "journal" | "recordings" | "record" | "openIntent" | "end" | "renew">;

export function createAttempts(context: StoreContext): Attempts {
  const { redis, keys } = context;
  return {
    begin: (command) => begin(context, command),
    journal: async (runId, hop) => new Map(Object.entries(await answered(redis.hgetall(keys.journal(runId, hop))))),
    recordings: async (runId) => parseRecordings(await answered(redis.hgetall(keys.recordings(runId)))),
    record: (fact) => record(context, fact),
    async openIntent(runId, token, intent) {
      const args = { token, callId: intent.callId, tool: intent.tool, intent: JSON.stringify(intent) };
      const [status, reason = ""] = await callForStrings(context, "open-intent", runId, args);
      if (status === "stop") return { status, stop: stopReasonSchema.parse(reason) };
      return { status: openedSchema.parse(status) };
    },
    end: (command) => end(context, command),
    async renew(held, leaseMs) {
      const lost: string[] = [];
      const stopped: Array<RenewReply["stopped"][number]> = [];
      for (let from = 0; from < held.length; from += RENEW_CHUNK) {
        const chunk = held.slice(from, from + RENEW_CHUNK);
        const call = {
          name: "renew",
          keys: [keys.dispatch(), keys.retention(), ...chunk.map(({ runId }) => keys.run(runId))],
          args: [leaseMs, ...chunk.flatMap(({ runId, token }) => [runId, token])],
        } as const;
        const [lostHere, stoppedHere] = renewReplySchema.parse(await answered(runScript(redis, call)));
        lost.push(...lostHere);
        for (let at = 0; at < stoppedHere.length; at += 2)
          stopped.push({ runId: stoppedHere[at] ?? "", reason: stopReasonSchema.parse(stoppedHere[at + 1]) });
      }
      return { lost, stopped };
    },
  };
}

const renewReplySchema = z.tuple([z.array(z.string()), z.array(z.string())]);
const beginReplySchema = z.array(z.unknown());
const finalStatusSchema = z.enum(FINAL_STATUSES);
const stopReasonSchema = z.enum(["cancelled", "expired"]);
const openedSchema = z.enum(["opened", "superseded"]);
const staleSchema = z.enum(["gone", "final", "wake", "suspended", "paused", "held", "not-before"]);

/** One round trip; one more where the transcript is long, and one for a conversation. */
async function begin(context: StoreContext, command: BeginCommand): Promise<BeginReply> {
  const { redis, keys, retentionMs } = context;
  const { runId, wake, token, workerId, leaseMs, maxDeaths, build } = command;
  const told = build === undefined ? {} : { buildAgent: build.agent, version: build.version, fingerprint: build.fingerprint };
  const args = { wake, token, worker: workerId, leaseMs, maxDeaths, retentionMs: retentionArg(retentionMs), ...told };
  const call = runCall(keys, "begin", runId, args);
  const reply = beginReplySchema.parse(await answered(runScript(redis, call)));
  const [status, why] = reply;
  if (status === "stale") return { status, why: staleSchema.parse(why) };
  if (status === "ended") return { status, as: finalStatusSchema.parse(why) };
  const { attempt, itemsFrom, itemsJson } = parseBegun(token, reply);
  // Nobody but this run changes its conversation while it is not over.
  const { tenant, conversation: id } = attempt;
  return {
    status: "begun",
    attempt,
    itemsJson: itemsJson ?? (await answered(redis.lrange(keys.items(runId), itemsFrom, -1))),
    turns: id === undefined ? [] : await readTurns(context, { tenant, id }),
  };
}

async function record(context: StoreContext, fact: Fact): Promise<StepReply> {
  const { runId, token, hop, key, valueJson, turns, event, closesIntent = "" } = fact;
  const counted = Object.entries({ ...fact.usage, turns }).filter(([, more = 0]) => more > 0);
  const eventJson = event === undefined ? "" : JSON.stringify(event);
  const step = { token, hop, key, value: valueJson, counted: counted.flat().join(" ") };
  const args = { ...step, ...tallyArgs(fact.tally), event: eventJson, closesIntent, journalNetMs: JOURNAL_NET_MS };
  const { keys, clock } = context;
  const reply = await callForStrings(context, "record", runId, args, keys.journal(runId, hop), keys.totals(dayOf(clock.nowMs())));
  const [status, isNew, earlier = "", current, stop = "", paused] = reply;
  if (status === "gone") return { status };
  return {
    status: "recorded",
    valueJson: isNew === "1" ? valueJson : earlier,
    current: current === "1",
    stop: stop === "" ? undefined : stopReasonSchema.parse(stop),
    paused: paused === "1",
  };
}

const endReplySchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("settled"), as: runStatusSchema, next: optionalWakeJobSchema, follower: z.string().optional() }),
  z.object({ status: z.literal("superseded") }),
]);

async function end(context: StoreContext, { runId, token, outcome, retentionMs }: EndCommand): Promise<EndReply> {
  const always = { token, retentionMs: retentionArg(retentionMs), clockMs: context.clock.nowMs(), outcome: outcome.type };
  const args = { ...always, journalNetMs: JOURNAL_NET_MS, ...outcomeArgs(outcome) };
  const rejects = outcome.type === "retry" && outcome.rejects !== undefined;
  const extraKeys = [context.keys.hops(runId), ...(rejects ? [await journalOfHop(context, runId)] : [])];
  const reply = endReplySchema.parse(JSON.parse(await callForString(context, "end", runId, args, ...extraKeys)));
  if (reply.status === "superseded") return reply;
  const { status, as, next, follower } = reply;
  return { status, as, next, ...(follower === undefined ? {} : { follower }) };
}

/** Only the holder of the token moves the hop, so reading it before the script is safe: another hop means another token. */
async function journalOfHop({ redis, keys }: StoreContext, runId: string): Promise<string> {
  return keys.journal(runId, Number((await answered(redis.hget(keys.run(runId), "hop"))) ?? 0));
}

const stepArgs = ({ turn, drop, summary }: ConversationStep): ScriptArgs => ({
  turn: JSON.stringify(turn),
  turnDrop: drop,
  turnSummary: summary === undefined ? "" : JSON.stringify(summary),
});

const loopArgs = (loop: Loop | undefined): ScriptArgs => (loop === undefined ? {} : { loop: members({ loop }), loopId: loop.id });

function outcomeArgs(outcome: Outcome): ScriptArgs {
  switch (outcome.type) {
    case "completed": {
      const { itemsJson = "", contextJson = "", output, conversation } = outcome;
      const settled = { items: itemsJson, context: contextJson, output: JSON.stringify(output), event: members({ output }) };
      return conversation === undefined ? settled : { ...settled, ...stepArgs(conversation) };
    }
    case "handed-off": {
      const { itemsJson = "", contextJson = "", to, queue = "", replacesTranscript, conversationJson = "" } = outcome;
      const event = members({ arguments: outcome.arguments });
      return { items: itemsJson, context: contextJson, to, queue, replace: replacesTranscript ? "1" : "", conversationJson, event };
    }
    case "suspended":
      return suspendedArgs(outcome);
    case "retry": {
      const { notBeforeMs, error, rejects, misplaced } = outcome;
      const told = { notBeforeMs, error: JSON.stringify(error), event: members({ notBeforeMs, error }) };
      if (rejects === undefined) return { ...told, misplaced: misplaced === true ? "1" : "" };
      return { ...told, rejectKey: rejects.key, rejectionKey: rejects.rejectionKey, rejection: rejects.rejectionJson };
    }
    case "failed":
    case "blocked":
    case "refused":
      return {
        error: JSON.stringify(outcome.error),
        event: members({ error: outcome.error }),
        rejectKey: outcome.rejectKey ?? "",
        ...loopArgs(outcome.loop),
      };
    default:
      return {};
  }
}

function suspendedArgs({
  suspension,
  untilMs,
  approvals,
  refusals = [],
  announce,
  error,
  loop,
}: Extract<Outcome, { type: "suspended" }>): ScriptArgs {
  const asked = (approvals ?? []).flatMap((approval) => [approval.callId, JSON.stringify(approval), approval.withinMs ?? 0]);
  return {
    suspension,
    untilMs: untilMs ?? "",
    approvals: JSON.stringify(asked),
    refusals: JSON.stringify(refusals.flatMap(({ callId, why }) => [callId, JSON.stringify(why)])),
    announce: announce === true ? "1" : "",
    error: error === undefined ? "" : JSON.stringify(error),
    // What is long about a question stands with it; followers are told that there is one.
    event: members({ suspension, untilMs, approvals: approvals?.map(toldApproval), error }),
    ...loopArgs(loop),
  };
}
