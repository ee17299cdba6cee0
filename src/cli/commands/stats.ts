/** `flotilla stats`: how agents do, as tables. */
import { type Command } from "commander";
import type { Percentiles } from "../../producers/percentiles.ts";
import { STATS_LIMIT, type StatsReport } from "../../producers/stats/read-stats.ts";
import { type AgentStats, STATS_DIMENSIONS, type StatsDimension } from "../../producers/stats/stats-book.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { formatSpending } from "../event-lines.ts";
import { formatCount, formatMs, oneLine, plural, table } from "../io.ts";
import { momentSince, namesOf, wholeNumber } from "../options.ts";

interface StatsFlags {
  readonly by: readonly StatsDimension[];
  readonly since?: number;
  readonly limit: number;
  readonly tenant?: string;
  readonly json?: true;
}

export function addStats(program: Command, context: CliContext): void {
  program
    .command("stats")
    .description("how agents do: turns, costs, model and tool times, retries, guardrail trips, ends and ways between agents")
    .option("--by <names>", `any of ${STATS_DIMENSIONS.join(", ")}, with commas between`, namesOf("--by", STATS_DIMENSIONS), [
      "agent",
      "version",
    ])
    .option(
      "--since <time>",
      "runs submitted since then, such as 90m, 12h, 7d or a date in UTC; default: 7d",
      momentSince("--since", context.clock.nowMs),
    )
    .option("--limit <n>", "read at most this many runs, the newest", wholeNumber("--limit", 1, STATS_LIMIT.most), STATS_LIMIT.usual)
    .option("--tenant <tenant>", "only this tenant's")
    .option("--json", "print JSON")
    .action((flags: StatsFlags) => stats(context, flags));
}

async function stats(context: CliContext, { by, since, limit, tenant, json }: StatsFlags): Promise<void> {
  const query = { by: [...by], limit, ...(since === undefined ? {} : { sinceAtMs: since }), ...(tenant === undefined ? {} : { tenant }) };
  const report = await withProducer(context, (producer) => producer.stats(query));
  if (json === true) context.io.out(JSON.stringify(report));
  else if (report.runs === 0) context.io.say(`No run was submitted since ${inUtc(report.sinceAtMs)}, or none is kept.`);
  else for (const line of drawStats(report, by)) context.io.out(line);
}

const inUtc = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export function drawStats(report: StatsReport, by: readonly StatsDimension[]): string[] {
  const { rows, total, runs, unreadable, isWhole, sinceAtMs } = report;
  const head = [...by.map((name) => name.toUpperCase()), ...HEAD];
  const first = by.map((_, index) => (index === 0 ? "total" : ""));
  const body = rows.map((row) => [...by.map((name) => nameOf(row[name])), ...cells(row)]);
  const left = isWhole ? "" : "; older ones were left out, see --limit";
  return [
    ...table([head, ...body, [...first, ...cells(total)]]),
    ...section(toolLines(report)),
    ...section(guardrailLines(report)),
    ...section(pathLines(report)),
    "",
    `${plural(runs, "run")} submitted since ${inUtc(sinceAtMs)}${left}. Only runs that are kept are counted.`,
    ...(unreadable === 0 ? [] : [`${plural(unreadable, "run")} could not be read: sealed with a key that is not here.`]),
  ];
}

const HEAD = ["HOPS", "TURNS", "TOKENS", "COST", "MODEL P50", "P95", "TOOL P50", "P95", "RETRIES", "TRIPS", "ENDED"];

function cells(row: AgentStats): string[] {
  const { hops, turns, inputTokens, outputTokens, modelLatency, toolLatency, retries, guardrailTrips, ended } = row;
  const ends = Object.entries(ended).flatMap(([end, count]) => (count === 0 ? [] : [`${formatCount(count)} ${end}`]));
  return [
    formatCount(hops),
    formatCount(turns),
    formatCount(inputTokens + outputTokens),
    formatSpending(row),
    ...times(modelLatency),
    ...times(toolLatency),
    formatCount(retries),
    formatCount(guardrailTrips),
    ends.join(", "),
  ];
}

const times = (latency: Percentiles | undefined): string[] =>
  latency === undefined ? ["-", "-"] : [formatMs(latency.p50Ms), formatMs(latency.p95Ms)];

/** Empty where no worker that holds the agent ever took the run. */
const nameOf = (name: string | undefined): string => oneLine(name ?? "", 40) || "-";

const section = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : ["", ...lines]);

/** Of each list, so that a screen is enough; JSON has them all. */
const SHOWN = 20;

function listOf<T>(head: string[], entries: readonly T[], row: (entry: T) => string[]): string[] {
  if (entries.length === 0) return [];
  const more = entries.length > SHOWN ? [`… and ${formatCount(entries.length - SHOWN)} more with --json`] : [];
  return [...table([head, ...entries.slice(0, SHOWN).map(row)]), ...more];
}

const toolLines = ({ tools }: StatsReport): string[] =>
  listOf(["TOOL", "AGENT", "VERSION", "CALLS", "P50", "P95"], tools, ({ tool, agent, version, calls, latency }) => [
    nameOf(tool),
    nameOf(agent),
    nameOf(version),
    formatCount(calls),
    ...times(latency),
  ]);

const guardrailLines = ({ guardrails }: StatsReport): string[] =>
  listOf(["GUARDRAIL", "KIND", "AGENT", "VERSION", "TRIPS"], guardrails, ({ guardrail, kind, agent, version, trips }) => [
    nameOf(guardrail),
    kind,
    nameOf(agent),
    nameOf(version),
    formatCount(trips),
  ]);

const pathLines = ({ paths }: StatsReport): string[] =>
  listOf(["RUNS", "COMPLETED", "WAY"], paths, ({ runs, completed, path }) => [
    formatCount(runs),
    formatCount(completed),
    path.map(nameOf).join(" → "),
  ]);
