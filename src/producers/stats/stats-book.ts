/** Adds up what runs tell of their agents, and gives the rows of a report. Times are kept one by one, so that percentiles are exact. */
import { addUsage, NO_USAGE, type GuardrailKind, type RunInfo } from "../../protocol/run.ts";
import { type Percentiles, percentilesOf } from "../percentiles.ts";
import type { HopEnd, HopPart, RunFacts } from "./run-facts.ts";

export const STATS_DIMENSIONS = ["day", "tenant", "tag", "agent", "version"] as const;
export type StatsDimension = (typeof STATS_DIMENSIONS)[number];

export interface AgentStats {
  /** Stretches of runs that the agent had. */
  readonly hops: number;
  /** How they ended; those that are not over are in none. */
  readonly ended: Readonly<Record<HopEnd, number>>;
  /** Model calls of the agent itself. */
  readonly turns: number;
  /** Those and the calls of agents that it uses as tools, and of guardrails. Replayed ones are not counted. */
  readonly modelCalls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the calls whose cost is known; absent where none is. */
  readonly costMicroUsd?: number;
  readonly unknownCostCalls: number;
  /** Of a model call, with the waits and retries inside it. */
  readonly modelLatency?: Percentiles;
  readonly toolCalls: number;
  readonly toolLatency?: Percentiles;
  /** How often a hop was tried again after an error or a bad answer, its rate limits not counted. */
  readonly retries: number;
  /** Attempts whose worker died. */
  readonly lostAttempts: number;
  /** Runs that a guardrail stopped here. */
  readonly guardrailTrips: number;
}

/** With the dimensions that were asked for. */
export type StatsRow = AgentStats & { readonly [Name in StatsDimension]?: string };

export interface ToolStats {
  readonly agent: string;
  readonly version: string;
  readonly tool: string;
  readonly calls: number;
  readonly latency: Percentiles;
}

export interface GuardrailStats {
  readonly agent: string;
  readonly version: string;
  readonly guardrail: string;
  readonly kind: GuardrailKind;
  readonly trips: number;
}

export interface PathStats {
  /** The agents that had the run, in their order; at most 20, then `…`. */
  readonly path: readonly string[];
  readonly runs: number;
  readonly completed: number;
}

export interface StatsTables {
  /** By tag, what a run did counts for each of its tags, and for the empty one where it has none. In the order of days, then with the most hops first, then by name. */
  readonly rows: readonly StatsRow[];
  /** Each run once. */
  readonly total: AgentStats;
  readonly tools: readonly ToolStats[];
  readonly guardrails: readonly GuardrailStats[];
  /** The ways that runs took between agents, the most trodden first. */
  readonly paths: readonly PathStats[];
}

export interface StatsBook {
  add(info: Pick<RunInfo, "tenant" | "tags">, facts: RunFacts): void;
  tables(): StatsTables;
}

const MAX_PATH = 20;

export function createStatsBook(by: readonly StatsDimension[]): StatsBook {
  const groups = new Map<string, { readonly names: Partial<Record<StatsDimension, string>>; readonly parts: HopPart[] }>();
  const all: HopPart[] = [];
  const paths = new Map<string, { path: string[]; runs: number; completed: number }>();
  return {
    add({ tenant, tags = [] }, { parts, path, end }) {
      all.push(...parts);
      // A run of two tags counts for each of them.
      for (const tag of by.includes("tag") && tags.length > 0 ? tags : [""]) {
        for (const part of parts) {
          const { day, agent, version } = part;
          const known = { day, tenant, tag, agent, version };
          const names = Object.fromEntries(by.map((name) => [name, known[name]]));
          const key = JSON.stringify(Object.values(names));
          const group = groups.get(key) ?? { names, parts: new Array<HopPart>() };
          group.parts.push(part);
          groups.set(key, group);
        }
      }
      const shown = path.length > MAX_PATH ? [...path.slice(0, MAX_PATH), "…"] : [...path];
      const way = paths.get(JSON.stringify(shown)) ?? { path: shown, runs: 0, completed: 0 };
      way.runs += 1;
      way.completed += end === "completed" ? 1 : 0;
      paths.set(JSON.stringify(shown), way);
    },
    tables() {
      const rows: StatsRow[] = [...groups]
        .toSorted(([a], [b]) => a.localeCompare(b))
        .map(([, { names, parts }]) => ({ ...names, ...statsOf(parts) }));
      return {
        rows: rows.toSorted((a, b) => (a.day ?? "").localeCompare(b.day ?? "") || b.hops - a.hops),
        total: statsOf(all),
        tools: toolsOf(all),
        guardrails: guardrailsOf(all),
        paths: [...paths.values()].toSorted((a, b) => b.runs - a.runs),
      };
    },
  };
}

function statsOf(parts: readonly HopPart[]): AgentStats {
  const ended = { completed: 0, "handed-off": 0, failed: 0, blocked: 0, refused: 0, cancelled: 0, expired: 0 };
  for (const { end } of parts) if (end !== undefined) ended[end] += 1;
  const sum = (count: (part: HopPart) => number): number => parts.reduce((total, part) => total + count(part), 0);
  const {
    requests,
    inputTokens,
    outputTokens,
    pricedRequests = 0,
    costMicroUsd = 0,
  } = parts.reduce((total, { usage }) => addUsage(total, usage), NO_USAGE);
  const modelLatency = percentilesOf(parts.flatMap(({ modelTimesMs }) => modelTimesMs));
  const toolLatency = percentilesOf(parts.flatMap(({ toolTimes }) => toolTimes.map(({ durationMs }) => durationMs)));
  return {
    hops: sum(({ isFirst }) => (isFirst ? 1 : 0)),
    ended,
    turns: sum(({ turns }) => turns),
    modelCalls: requests,
    inputTokens,
    outputTokens,
    ...(pricedRequests === 0 ? {} : { costMicroUsd }),
    unknownCostCalls: requests - pricedRequests,
    ...(modelLatency === undefined ? {} : { modelLatency }),
    toolCalls: sum(({ toolTimes }) => toolTimes.length),
    ...(toolLatency === undefined ? {} : { toolLatency }),
    retries: sum(({ retries }) => retries),
    lostAttempts: sum(({ lostAttempts }) => lostAttempts),
    guardrailTrips: sum(({ guardrail }) => (guardrail === undefined ? 0 : 1)),
  };
}

function toolsOf(parts: readonly HopPart[]): ToolStats[] {
  const calls = parts.flatMap(({ agent, version, toolTimes }) => toolTimes.map((time) => ({ agent, version, ...time })));
  const groups = Map.groupBy(calls, ({ agent, version, tool }) => JSON.stringify([agent, version, tool]));
  return [...groups.values()]
    .flatMap((same) => {
      const [first] = same;
      const latency = percentilesOf(same.map(({ durationMs }) => durationMs));
      if (first === undefined || latency === undefined) return [];
      const { agent, version, tool } = first;
      return [{ agent, version, tool, calls: same.length, latency }];
    })
    .toSorted((a, b) => b.calls - a.calls || b.latency.p95Ms - a.latency.p95Ms);
}

function guardrailsOf(parts: readonly HopPart[]): GuardrailStats[] {
  const trips = parts.flatMap(({ agent, version, guardrail }) =>
    guardrail === undefined ? [] : [{ agent, version, guardrail: guardrail.name, kind: guardrail.kind }],
  );
  const groups = Map.groupBy(trips, (trip) => JSON.stringify(Object.values(trip)));
  return [...groups.values()]
    .flatMap((same) => (same[0] === undefined ? [] : [{ ...same[0], trips: same.length }]))
    .toSorted((a, b) => b.trips - a.trips);
}
