/** Reads of runs in memory. */
import type { RunInfo } from "../protocol/run.ts";
import type { ListQuery, RunStore, StoredEvent } from "../protocol/run-store.ts";
import { copy, type MemoryRun, type MemoryWorld } from "./memory-run-state.ts";

export function createMemoryReads({ runs }: MemoryWorld): Pick<RunStore, "get" | "tenantOf" | "output" | "items" | "list" | "events"> {
  return {
    async get(runId) {
      const run = runs.get(runId);
      return run === undefined ? undefined : infoOf(run);
    },
    tenantOf: async (runId) => runs.get(runId)?.info.tenant,
    async output(runId) {
      const json = runs.get(runId)?.outputJson;
      return json === undefined ? undefined : JSON.parse(json);
    },
    items: async (runId) => [...(runs.get(runId)?.items ?? [])],
    list: async (query) => list([...runs.values()], query),
    async events(runId, afterId, limit) {
      const all = runs.get(runId)?.events ?? [];
      return all
        .filter(({ id }) => comesAfter(id, afterId))
        .slice(0, limit)
        .map((stored): StoredEvent => copy(stored));
    },
  };
}

export const infoOf = (run: MemoryRun): RunInfo => ({
  ...copy(run.info),
  cancelRequested: run.stop !== undefined,
  openIntents: [...run.intents.values()].map(({ intent }) => copy(intent)).sort((a, b) => a.openedAtMs - b.openedAtMs),
  approvals: [...run.approvals.values()].map(copy),
  decisions: [...run.refused, ...[...run.decisions.values()].map(({ decided }) => decided)].map(copy).sort((a, b) => a.atMs - b.atMs),
});

/** Failed, and nobody carried on. */
export const isFailure = ({ info }: MemoryRun): boolean => info.status === "failed" && info.continuedAs === undefined;

function list(runs: readonly MemoryRun[], { status, suspension, failure, tenant, before, limit }: ListQuery): RunInfo[] {
  return runs
    .filter((run) => failure === undefined || (isFailure(run) && run.info.error?.code === failure.code && run.info.agent === failure.agent))
    .filter(({ info }) => status === undefined || info.status === status)
    .filter(({ info }) => suspension === undefined || info.suspension === suspension)
    .filter(({ info }) => tenant === undefined || info.tenant === tenant)
    .filter(({ info }) => before === undefined || info.runId < before)
    .sort((a, b) => (a.info.runId < b.info.runId ? 1 : -1))
    .slice(0, limit)
    .map(infoOf);
}

function comesAfter(id: string, afterId: string): boolean {
  const [time = 0, sequence = 0] = id.split("-").map(Number);
  const [afterTime = 0, afterSequence = 0] = afterId.split("-").map(Number);
  return time > afterTime || (time === afterTime && sequence > afterSequence);
}
