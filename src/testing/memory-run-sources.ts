/** What second chances take from a source, in memory. */
import { MAX_CHILDREN } from "../protocol/origin.ts";
import { isFinal, type RunInfo } from "../protocol/run.ts";
import type { FailureGroup, FailureQuery, RunStore, SnapshotReply } from "../protocol/run-store.ts";
import type { Seed } from "../protocol/seed.ts";
import type { Submission, SubmitReply } from "../protocol/submission.ts";
import { startOf } from "./memory-run-outcomes.ts";
import { infoOf, isFailure } from "./memory-run-reads.ts";
import { decidedIn, type MemoryWorld } from "./memory-run-state.ts";

export function createMemorySources(world: MemoryWorld): Pick<RunStore, "snapshot" | "failures"> {
  return {
    snapshot: async (runId, hop) => snapshot(world, runId, hop),
    failures: async (query) => failures(world, query),
  };
}

/** Undefined: the source will do. It mirrors the checks of `src/redis/scripts/submit.lua`. */
export function refusedSource(world: MemoryWorld, { origin }: Seed, tenant: string): SubmitReply | undefined {
  const source = world.runs.get(origin.runId)?.info;
  if (source?.tenant !== tenant) return { status: "source-gone" };
  if (origin.kind !== "retry") return undefined;
  if (source.continuedAs !== undefined) return { status: "duplicate", runId: source.continuedAs };
  return isFinal(source.status) && source.status !== "completed" ? undefined : { status: "source-open", as: source.status };
}

export function noteChild(world: MemoryWorld, { origin: { runId: sourceId, kind } }: Seed, runId: string): void {
  const source = world.runs.get(sourceId)?.info;
  if (source === undefined) return;
  source.children = [{ kind, runId }, ...(source.children ?? [])].slice(0, MAX_CHILDREN);
  if (kind === "retry") source.continuedAs = runId;
}

export const originFields = (seed: Seed): Pick<RunInfo, "origin" | "tools" | "model"> => ({ origin: seed.origin, ...mannerFields(seed) });

export const mannerFields = ({
  tools = "live",
  model,
}: Partial<Pick<Submission, "tools" | "model">>): Pick<RunInfo, "tools" | "model"> => ({
  ...(tools === "live" ? {} : { tools }),
  ...(model === undefined ? {} : { model }),
});

function snapshot(world: MemoryWorld, runId: string, wanted: number | undefined): SnapshotReply {
  const run = world.runs.get(runId);
  if (run === undefined) return { status: "unknown" };
  const hop = wanted ?? run.info.hop;
  const kept = run.starts.get(hop);
  if (kept === undefined && (hop < run.info.hop || run.info.status === "completed")) return { status: "unrecorded" };
  const { agent, items, isFiltered, contextJson, turnsBefore } = kept ?? startOf(run);
  const { root, settingsJson, maxHops, rejectedKey, conversationJson, hopBuild } = run;
  const journal = new Map(run.journals.get(hop));
  const hopStart = { hop, agent, turnsBefore, itemsJson: [...items], isFiltered, contextJson, conversationJson, hopBuild };
  const found = { info: infoOf(run), ...hopStart, journal, decisions: decidedIn(run), root, settingsJson, maxHops, rejectedKey };
  return { status: "found", snapshot: found };
}

function failures({ runs }: MemoryWorld, { tenant, agent, code }: FailureQuery): FailureGroup[] {
  const wanted = [...runs.values()]
    .filter(isFailure)
    .map(({ info }) => info)
    .filter((info) => tenant === undefined || info.tenant === tenant)
    .filter((info) => agent === undefined || info.agent === agent)
    .filter((info) => code === undefined || info.error?.code === code)
    .sort((a, b) => (a.runId < b.runId ? -1 : 1));
  const groups = Map.groupBy(wanted, (info) => `${info.error?.code}:${info.agent}`);
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, infos]) => {
      const [first, last] = [infos[0], infos.at(-1)];
      if (first === undefined || last === undefined) return [];
      const at = ({ finishedAtMs, updatedAtMs }: typeof first): number => finishedAtMs ?? updatedAtMs;
      const times = { firstAtMs: at(first), lastAtMs: at(last) };
      return [{ code: first.error?.code ?? "", agent: first.agent, count: infos.length, newest: last.runId, ...times }];
    });
}
