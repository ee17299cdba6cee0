/**
 * A run store that seals what is the user's on the way in and opens it on the way out. It stands at the port, so the store below, its
 * scripts and its indexes see ids, names, states and numbers only; who stands above sees no difference.
 */
import type { Json } from "../protocol/json.ts";
import type { Attempt, BeginReply, Fact, Outcome, RejectedEntry, StepReply } from "../protocol/attempt.ts";
import type { Resolution, ResolveReply } from "../protocol/people.ts";
import type { Pause } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { HopSnapshot } from "../protocol/seed.ts";
import type { PayloadCodec } from "./payload-codec.ts";
import { createSealedConversations, openTurns, sealStep } from "./sealed-conversations.ts";
import {
  type Change,
  mapDecisions,
  mapRecording,
  mapApproval,
  mapDecision,
  mapError,
  mapEvent,
  mapInfo,
  mapIntent,
  mapPause,
  opening,
  openingWherePossible,
  sealing,
} from "./sealed-values.ts";
import { createSealedSubmits } from "./sealed-submissions.ts";

export function createSealedRunStore(store: RunStore, codec: PayloadCodec): RunStore {
  return {
    ...store,
    ...createSealedSubmits(store, codec),
    begin: async (command) => openBegun(codec, await store.begin(command)),
    journal: async (runId, hop) => openJournal(codec, runId, await store.journal(runId, hop)),
    async recordings(runId) {
      const change = opening(codec, runId);
      return (await store.recordings(runId)).map((recording, index) => mapRecording(recording, index, change));
    },
    async snapshot(runId, hop) {
      const reply = await store.snapshot(runId, hop);
      return reply.status === "found" ? { ...reply, snapshot: openSnapshot(codec, reply.snapshot) } : reply;
    },
    record: (fact) => record(store, codec, fact),
    openIntent: (runId, token, intent) => store.openIntent(runId, token, mapIntent(intent, sealing(codec, runId))),
    end: (command) => store.end({ ...command, outcome: sealOutcome(codec, command.runId, command.outcome) }),
    resolve: async (runId, callId, resolution, retentionMs) =>
      openReply(codec, await store.resolve(runId, callId, sealResolution(codec, runId, callId, resolution), retentionMs)),
    decide: async (runId, callId, command) => {
      const decision = mapDecision(command.decision, callId, sealing(codec, runId));
      return openReply(codec, await store.decide(runId, callId, { ...command, decision }));
    },
    ...sealedPauses(store, codec),
    async get(runId) {
      const info = await store.get(runId);
      return info === undefined ? undefined : mapInfo(info, opening(codec, runId));
    },
    async output(runId) {
      const output = await store.output(runId);
      return output === undefined ? undefined : opening(codec, runId).json(output, "output");
    },
    async items(runId) {
      const change = opening(codec, runId);
      return (await store.items(runId)).map((chunk) => change.document(chunk, "items"));
    },
    conversations: createSealedConversations(store.conversations, codec),
    list: async (query) => (await store.list(query)).map((info) => mapInfo(info, openingWherePossible(codec, info.runId))),
    async events(runId, afterId, limit) {
      const change = opening(codec, runId);
      return (await store.events(runId, afterId, limit)).map(({ id, event }) => ({ id, event: mapEvent(event, change) }));
    },
  };
}

function sealedPauses(store: RunStore, codec: PayloadCodec): Pick<RunStore, "pause" | "resume" | "pauseScope" | "pauses"> {
  const shown = <T>(reply: T & { readonly pause?: Pause }): T =>
    reply.pause === undefined ? reply : { ...reply, pause: mapPause(reply.pause, openingWherePossible(codec, "")) };
  return {
    pause: async (runId, note) => shown(await store.pause(runId, mapPause(note, sealing(codec, runId)))),
    resume: async (runId) => shown(await store.resume(runId)),
    pauseScope: async (scope, note) => shown(await store.pauseScope(scope, mapPause(note, sealing(codec, "")))),
    pauses: async () => (await store.pauses()).map(shown),
  };
}

function openSnapshot(codec: PayloadCodec, snapshot: HopSnapshot): HopSnapshot {
  const { runId } = snapshot.info;
  const change = opening(codec, runId);
  return {
    ...snapshot,
    info: mapInfo(snapshot.info, change),
    itemsJson: snapshot.itemsJson.map((chunk) => change.document(chunk, "items")),
    contextJson: change.document(snapshot.contextJson, "context"),
    settingsJson: change.document(snapshot.settingsJson, "settings"),
    conversationJson: snapshot.conversationJson === undefined ? undefined : change.document(snapshot.conversationJson, "conversation"),
    journal: openJournal(codec, runId, snapshot.journal),
    decisions: mapDecisions(snapshot.decisions, change),
  };
}

const openJournal = (codec: PayloadCodec, runId: string, entries: ReadonlyMap<string, string>): Map<string, string> =>
  new Map([...entries].map(([key, value]) => [key, openEntry(codec, runId, key, value)]));

function openBegun(codec: PayloadCodec, reply: BeginReply): BeginReply {
  if (reply.status !== "begun") return reply;
  const { attempt } = reply;
  const change = opening(codec, attempt.runId);
  const opened: Attempt = {
    ...attempt,
    contextJson: change.document(attempt.contextJson, "context"),
    settingsJson: change.document(attempt.settingsJson, "settings"),
    metadataJson: codec.seals ? JSON.stringify(change.json(JSON.parse(attempt.metadataJson) as Json, "metadata")) : attempt.metadataJson,
    openIntents: attempt.openIntents.map((intent) => mapIntent(intent, change)),
    ...(attempt.conversationJson === undefined ? {} : { conversationJson: change.document(attempt.conversationJson, "conversation") }),
    decisions: mapDecisions(attempt.decisions, change),
  };
  const { tenant, conversation: id = "" } = attempt;
  return {
    ...reply,
    attempt: opened,
    itemsJson: reply.itemsJson.map((chunk) => change.document(chunk, "items")),
    turns: openTurns(codec, { tenant, id }, reply.turns),
  };
}

/** A person's result stands inside an entry that the store makes around it. */
const RESOLVED = /^\{"v":1,"output":"(f1\.[\w.-]+)"\}$/;

function openEntry(codec: PayloadCodec, runId: string, key: string, value: string): string {
  const change = opening(codec, runId);
  const [, told] = RESOLVED.exec(value) ?? [];
  if (told === undefined) return change.document(value, `journal:${key}`);
  return `{"v":1,"output":${change.document(told, `resolved:${key}`)}}`;
}

async function record(store: RunStore, codec: PayloadCodec, fact: Fact): Promise<StepReply> {
  const change = sealing(codec, fact.runId);
  const valueJson = change.document(fact.valueJson, `journal:${fact.key}`);
  const event = fact.event === undefined ? undefined : mapEvent(fact.event, change);
  const reply = await store.record({ ...fact, valueJson, event });
  if (reply.status === "gone") return reply;
  const stored = reply.valueJson === valueJson ? fact.valueJson : openEntry(codec, fact.runId, fact.key, reply.valueJson);
  return { ...reply, valueJson: stored };
}

function sealOutcome(codec: PayloadCodec, runId: string, outcome: Outcome): Outcome {
  const change = sealing(codec, runId);
  switch (outcome.type) {
    case "completed":
      return {
        ...outcome,
        ...sealSettled(codec, runId, outcome),
        output: change.json(outcome.output, "output"),
        ...(outcome.conversation === undefined ? {} : { conversation: sealStep(codec, outcome.conversation) }),
      };
    case "handed-off":
      return {
        ...outcome,
        ...sealSettled(codec, runId, outcome),
        ...(outcome.arguments === undefined ? {} : { arguments: change.text(outcome.arguments, "handoff.arguments") }),
        ...(outcome.conversationJson === undefined ? {} : { conversationJson: change.document(outcome.conversationJson, "conversation") }),
      };
    case "suspended":
      return {
        ...outcome,
        ...(outcome.approvals === undefined ? {} : { approvals: outcome.approvals.map((approval) => mapApproval(approval, change)) }),
        ...(outcome.refusals === undefined
          ? {}
          : { refusals: outcome.refusals.map(({ callId, why }) => ({ callId, why: change.text(why, `refusal:${callId}`) })) }),
        ...(outcome.error === undefined ? {} : { error: mapError(outcome.error, change) }),
      };
    case "retry":
      return {
        ...outcome,
        error: mapError(outcome.error, change),
        ...(outcome.rejects === undefined ? {} : { rejects: sealRejected(change, outcome.rejects) }),
      };
    case "failed":
    case "blocked":
    case "refused":
      return { ...outcome, error: mapError(outcome.error, change) };
    case "cancelled":
    case "expired":
    case "released":
      return outcome;
  }
}

/** A journal entry like any other, so that it opens as one. */
const sealRejected = (change: Change, rejected: RejectedEntry): RejectedEntry => ({
  ...rejected,
  rejectionJson: change.document(rejected.rejectionJson, `journal:${rejected.rejectionKey}`),
});

function sealSettled(codec: PayloadCodec, runId: string, settled: { readonly itemsJson?: string; readonly contextJson?: string }) {
  const change = sealing(codec, runId);
  return {
    ...(settled.itemsJson === undefined ? {} : { itemsJson: change.document(settled.itemsJson, "items") }),
    ...(settled.contextJson === undefined ? {} : { contextJson: change.document(settled.contextJson, "context") }),
  };
}

/** The store puts `resultJson` into a journal entry, so what is sealed goes in as a JSON text. */
function sealResolution(codec: PayloadCodec, runId: string, callId: string | undefined, resolution: Resolution): Resolution {
  if (resolution.type !== "ran" || !codec.seals) return resolution;
  const sealed = codec.seal(resolution.resultJson, { runId, field: `resolved:t:${callId ?? ""}` });
  return { type: "ran", resultJson: JSON.stringify(sealed) };
}

function openReply(codec: PayloadCodec, reply: ResolveReply): ResolveReply {
  if (reply.status !== "not-open") return reply;
  return { ...reply, info: mapInfo(reply.info, openingWherePossible(codec, reply.info.runId)) };
}
