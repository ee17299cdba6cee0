/**
 * Makes a new run out of an older one: again from the hop that failed, from the beginning, or from any turn on. It only reads the source;
 * what the new run takes over travels with its submission, so that it is there whole or not at all.
 *
 *   snapshot of the source's hop ──▶ Seed (journal, intents, decisions, recordings) ──▶ Submission
 */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { agentNameSchema, runIdSchema, tenantSchema } from "../protocol/ids.ts";
import { asGiven, callIdsIn, callsIn, hopOfCall, topCallOf, turnOf } from "../protocol/journal.ts";
import type { Json } from "../protocol/json.ts";
import { type OriginKind, type ToolMode, toolModeSchema } from "../protocol/origin.ts";
import type { RunInfo } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { HopSnapshot, Recording, Seed } from "../protocol/seed.ts";
import type { Submission } from "../protocol/submission.ts";
import { reach } from "./backend.ts";
import { draftSubmission, parseOptions } from "./submission.ts";
import type { RunInput } from "./types.ts";

const common = {
  /** What becomes of tool calls. Default: `recorded`, so that nothing happens twice; of a retry what held for its source, mostly `live`. */
  tools: toolModeSchema.optional(),
  /** Whose run the source must be. Default: the producer's own tenant, if it has one. */
  tenant: tenantSchema.optional(),
};
const retryOptionsSchema = z.strictObject(common);
const replayOptionsSchema = z.strictObject({
  ...common,
  input: z.unknown().optional(),
  context: z.record(z.string().max(128), z.unknown()).optional(),
});
const forkOptionsSchema = z.strictObject({
  ...common,
  turn: z.int().min(1),
  model: z.string().min(1).max(256).optional(),
  agent: agentNameSchema.optional(),
});

export type RetryOptions = Readonly<z.input<typeof retryOptionsSchema>>;
export interface ReplayOptions extends RetryOptions {
  /** Default: the source's own. */
  readonly input?: RunInput | Readonly<Record<string, unknown>> | undefined;
  /** Default: the source's own. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}
export interface ForkOptions extends RetryOptions {
  /** The first turn that is made anew, counted over the whole run from 1, as `flotilla runs show` does. */
  readonly turn: number;
  /** The model of every turn from there on. Default: each agent's own. */
  readonly model?: string | undefined;
  /** Another agent, where the turn is the first of a hop. */
  readonly agent?: string | undefined;
}

/** What a new run is made of, but for its id and its queue. */
export type Draft = Omit<Submission, "runId" | "queue">;

export interface SecondChancesDeps {
  readonly store: RunStore;
  readonly defaults: { readonly tenant?: string | undefined };
}

export interface SecondChances {
  retry(id: string, options: RetryOptions): Promise<Draft>;
  replay(id: string, options: ReplayOptions): Promise<Draft>;
  fork(id: string, options: ForkOptions): Promise<Draft>;
}

/** All throw FleetError RUN_EXPIRED, RUN_UNKNOWN, HOP_UNRECORDED, INPUT_INVALID, BACKEND_UNREACHABLE. */
export function createSecondChances({ store, defaults }: SecondChancesDeps): SecondChances {
  const read = async (id: string, tenant: string | undefined, hop?: number): Promise<HopSnapshot> => {
    const snapshot = await readSnapshot(store, id, hop);
    const expected = tenant ?? defaults.tenant;
    if (expected !== undefined && snapshot.info.tenant !== expected) throw othersRun(id, expected);
    return snapshot;
  };
  const draft = async (source: HopSnapshot, kind: OriginKind, taken: Taken): Promise<Draft> => {
    const { info, turnsBefore, root, settingsJson, maxHops, hop } = source;
    const { tools, journal = new Map(), decisions = new Map(), intents = [], ...given } = taken;
    const turn = turnsBefore + [...journal.keys()].filter((key) => topCallOf(key) !== undefined).length + 1;
    const recordings = tools === "recorded" ? await recordingsOf(store, info) : [];
    const lineage = { root, tools, entryAgent: kind === "replay" ? given.agent : info.entryAgent, turnsBefore };
    const model = given.model === undefined ? {} : { model: given.model };
    const origin = { runId: info.runId, kind, hop, turn };
    // A retry waits for its turn again and leaves what its source would have left. A copy is shown the conversation, and leaves nothing there.
    const { conversation } = kind === "retry" ? info : {};
    const noted = conversation === undefined ? undefined : conversationNote(source);
    const hopBuild = kind === "retry" && source.hopBuild !== undefined ? { hopBuild: source.hopBuild } : {};
    const seed: Seed = { origin, ...lineage, ...model, ...hopBuild, journal, decisions, intents, recordings, ...noted };
    return {
      ...(conversation === undefined ? {} : { conversation }),
      agent: given.agent,
      tenant: info.tenant,
      priority: info.priority,
      itemsJson: await shownItems(store, source, kind, given.itemsJson ?? joined(source.itemsJson)),
      contextJson: given.contextJson ?? source.contextJson,
      metadataJson: JSON.stringify(info.metadata),
      ...(info.tags === undefined ? {} : { tags: info.tags }),
      settingsJson,
      inputHash: `${kind} of ${info.runId}`,
      delayMs: 0,
      // A second chance has as much time as the first one, and may change hands as often.
      deadlineMs: info.deadlineAtMs - info.createdAtMs,
      maxHops: hop + maxHops,
      seed,
    };
  };
  return {
    async retry(id, options) {
      const { tools, tenant } = parseOptions(retryOptionsSchema, options);
      const source = await read(id, tenant);
      const mode = tools ?? source.info.tools ?? "live";
      const journal = takenOver(source, (key) => key !== source.rejectedKey && !key.startsWith("x:"));
      const intents = mode === "live" ? source.info.openIntents : [];
      const model = source.info.model === undefined ? {} : { model: source.info.model };
      return draft(source, "retry", { agent: source.agent, tools: mode, ...model, journal, decisions: askedAnew(source), intents });
    },
    async replay(id, options) {
      const { tools = "recorded", tenant, input, context } = parseOptions(replayOptionsSchema, options);
      const source = await read(id, tenant, 0);
      const fresh = draftSubmission(source.agent, input ?? JSON.parse(joined(source.itemsJson)), context === undefined ? {} : { context });
      const contextJson = context === undefined ? source.contextJson : fresh.contextJson;
      return draft(source, "replay", { agent: source.agent, tools, itemsJson: fresh.itemsJson, contextJson });
    },
    async fork(id, options) {
      const { tools = "recorded", tenant, turn, model, agent } = parseOptions(forkOptionsSchema, options);
      const source = await hopOfTurn((hop) => read(id, tenant, hop), id, turn);
      const first = turn - source.turnsBefore - 1;
      if (agent !== undefined && agent !== source.agent && first > 0) throw midHop(source, turn);
      const journal = takenOver(source, (key, valueJson) => (turnOf(key, valueJson) ?? Number.POSITIVE_INFINITY) < first);
      const known = [...source.info.openIntents].filter(
        ({ hop, callId }) => hop === source.hop && (turnOf(`t:${callId}`, "{}") ?? first) < first,
      );
      const shared = { agent: agent ?? source.agent, tools, journal, decisions: decidedBefore(source, journal) };
      return draft(source, "fork", { ...shared, intents: tools === "live" ? known : [], ...(model === undefined ? {} : { model }) });
    },
  };
}

/** The calls whose deadline ended the source are put to people again. What was timed out earlier was told to the model, and stands. */
function askedAnew({ info, decisions }: HopSnapshot): Seed["decisions"] {
  if (info.error?.code !== "APPROVAL_TIMED_OUT") return decisions;
  return new Map([...decisions].filter(([, { timedOut, atMs }]) => timedOut !== true || atMs !== info.finishedAtMs));
}

/**
 * Of earlier hops, and of the calls and loops that are taken over. What people said of later ones, for the whole run perhaps, says nothing of
 * those that the copy makes.
 */
function decidedBefore({ hop, decisions }: HopSnapshot, journal: Seed["journal"]): Seed["decisions"] {
  const taken = new Set([...callIdsIn(journal), ...[...journal.keys()].map((key) => `loop:${hop}:${key}`)]);
  const hopOf = (id: string): number => hopOfCall(id) ?? Number(/^loop:(\d+):/.exec(id)?.[1] ?? Number.POSITIVE_INFINITY);
  return new Map([...decisions].filter(([id]) => hopOf(id) < hop || taken.has(id)));
}

interface Taken {
  readonly agent: string;
  readonly tools: ToolMode;
  readonly model?: string;
  readonly itemsJson?: string;
  readonly contextJson?: string;
  readonly journal?: Seed["journal"];
  readonly decisions?: Seed["decisions"];
  readonly intents?: Seed["intents"];
}

async function readSnapshot(store: RunStore, id: string, hop: number | undefined): Promise<HopSnapshot> {
  const reply = await reach(store.snapshot(id, hop));
  if (reply.status === "found") return reply.snapshot;
  if (reply.status === "unrecorded") {
    // A run that was made out of another one holds nothing from before the hop at which it began: its source does.
    const info = await reach(store.get(id));
    if (info?.origin !== undefined && hop !== undefined && hop < info.origin.hop) {
      return { ...(await readSnapshot(store, info.origin.runId, hop)), info };
    }
    throw new FleetError("HOP_UNRECORDED", `Run ${id} ended hop ${hop ?? "0"} under a release that did not keep with what a hop began.`, {
      at: id,
      remedy: "submit its input anew",
    });
  }
  const wellFormed = runIdSchema.safeParse(id).success;
  throw new FleetError(wellFormed ? "RUN_EXPIRED" : "RUN_UNKNOWN", `Run ${JSON.stringify(id.slice(0, 80))} is not there (any more).`, {
    at: id,
    remedy: "list the runs with `flotilla runs ls`; failed runs stay longer with `retention: { failedMs }`",
  });
}

/** From the last hop back: later turns are forked more often. */
async function hopOfTurn(read: (hop?: number) => Promise<HopSnapshot>, id: string, turn: number): Promise<HopSnapshot> {
  let source = await read();
  const next = source.info.turns + 1;
  if (turn > next) {
    throw new FleetError("INPUT_INVALID", `Expected a turn from 1 to ${next} of run ${id}; got ${turn}.`, {
      at: "turn",
      remedy: `see its turns with \`flotilla runs show ${id}\``,
    });
  }
  while (turn <= source.turnsBefore) source = await read(source.hop - 1);
  return source;
}

const takenOver = ({ journal }: HopSnapshot, isTaken: (key: string, valueJson: string) => boolean): Map<string, string> =>
  new Map([...journal].filter(([key, valueJson]) => isTaken(key, valueJson)).map(([key, valueJson]) => [key, asGiven(key, valueJson)]));

/**
 * Of all hops, those from before the one at which the source began included, and what the source itself was answered from: the copy of a copy finds
 * the same answers.
 */
async function recordingsOf(store: RunStore, { runId, hop: lastHop, origin, tools }: RunInfo, end = lastHop + 1): Promise<Recording[]> {
  const begin = origin?.hop ?? 0;
  const before = begin === 0 || tools === "recorded" ? undefined : await reach(store.get(origin?.runId ?? ""));
  const hops = Array.from({ length: Math.max(0, end - begin) }, (_, index) => reach(store.journal(runId, begin + index)));
  return [
    ...(before === undefined ? [] : await recordingsOf(store, before, begin)),
    ...(await reach(store.recordings(runId))),
    ...(await Promise.all(hops)).flatMap(callsIn),
  ];
}

/** One chunk of all. Each is a JSON array that a submit or a hop's end wrote. */
const joined = (chunks: readonly string[]): string =>
  chunks.length === 1 ? (chunks[0] ?? "[]") : JSON.stringify(chunks.flatMap((chunk) => JSON.parse(chunk) as Json[]));

/** What the source was shown of its conversation, as far as it is still there, stands in front of a copy's own items. */
async function shownItems(store: RunStore, { info, isFiltered }: HopSnapshot, kind: OriginKind, itemsJson: string): Promise<string> {
  const { tenant, conversation: id, runId, startedAtMs = 0 } = info;
  if (id === undefined || kind === "retry" || isFiltered) return itemsJson;
  const turns = await reach(store.conversations.turns({ tenant, id }));
  const shown = turns.filter((turn) => turn.type === "summary" || (turn.id !== runId && turn.atMs <= startedAtMs));
  return joined([...shown.map((turn) => turn.itemsJson), itemsJson]);
}

const noteSchema = z.object({ v: z.literal(1), turn: z.array(z.unknown()).optional() });

/** The run's turn so far is kept. Other runs may have changed what stands before it: nothing of that is dropped on an old note's word. */
function conversationNote({ conversationJson }: HopSnapshot): { readonly conversationJson?: string } {
  if (conversationJson === undefined) return {};
  const { turn } = noteSchema.parse(JSON.parse(conversationJson));
  return { conversationJson: JSON.stringify({ v: 1, drop: 0, ...(turn === undefined ? {} : { turn }) }) };
}

const othersRun = (id: string, tenant: string): FleetError =>
  new FleetError("RUN_UNKNOWN", `Expected a run of tenant ${tenant}; ${id} is not one of them.`, {
    at: "tenant",
    remedy: "name the tenant of the run",
  });

const midHop = ({ turnsBefore, agent }: HopSnapshot, turn: number): FleetError =>
  new FleetError("INPUT_INVALID", `Expected the first turn of a hop for another agent; turn ${turn} is in the middle of ${agent}'s.`, {
    at: "agent",
    remedy: `fork at turn ${turnsBefore + 1}`,
  });
