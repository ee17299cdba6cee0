/** `flotilla costs` and `flotilla stats`: what model calls cost, and how long they take, as tables. */
import { type Command, InvalidArgumentError } from "commander";
import type { CostReport, CostRow } from "../../producers/costs.ts";
import type { Latencies, StatsReport } from "../../producers/stats.ts";
import { TOTALS_DIMENSIONS, type TotalsDimension, type TotalsFilter } from "../../producers/totals.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { formatMicroUsd } from "../event-lines.ts";
import { formatCount, formatMs, oneLine, plural, table } from "../io.ts";
import { daySince } from "../options.ts";

interface TotalsFlags {
  readonly by: readonly TotalsDimension[];
  /** A day in UTC. */
  readonly since?: string;
  readonly tenant?: string;
  readonly json?: true;
}

export function addCosts(program: Command, context: CliContext): void {
  addTable(program, context, "costs", "what model calls cost: by day, tenant, agent, version and model", ["agent", "model"], (flags) =>
    costs(context, flags),
  );
  addTable(
    program,
    context,
    "stats",
    "how long model calls take: by day, tenant, agent, version and model",
    ["agent", "version"],
    (flags) => stats(context, flags),
  );
}

function addTable(
  program: Command,
  { clock }: CliContext,
  name: string,
  says: string,
  by: readonly TotalsDimension[],
  show: (flags: TotalsFlags) => Promise<void>,
): void {
  program
    .command(name)
    .description(says)
    .option("--by <names>", `any of ${TOTALS_DIMENSIONS.join(", ")}, with commas between`, dimensions, by)
    .option("--since <days>", "so many days, today in UTC included, or a date; default: 7d", daySince("--since", clock.nowMs))
    .option("--tenant <tenant>", "only this tenant's")
    .option("--json", "print JSON")
    .action(show);
}

const filterOf = ({ by, since, tenant }: TotalsFlags): TotalsFilter => ({
  by: [...by],
  ...(since === undefined ? {} : { from: since }),
  ...(tenant === undefined ? {} : { tenant }),
});

async function costs(context: CliContext, flags: TotalsFlags): Promise<void> {
  const report = await withProducer(context, (producer) => producer.costs(filterOf(flags)));
  printReport(context, flags, report, () => drawCosts(report, flags.by));
}

async function stats(context: CliContext, flags: TotalsFlags): Promise<void> {
  const report = await withProducer(context, (producer) => producer.stats(filterOf(flags)));
  printReport(context, flags, report, () => drawStats(report, flags.by));
}

function printReport({ io }: CliContext, { json }: TotalsFlags, report: CostReport | StatsReport, draw: () => string[]): void {
  if (json === true) io.out(JSON.stringify(report));
  else if (report.rows.length === 0) io.say(`No model call was written down from ${report.from} to ${report.to}.`);
  else for (const line of draw()) io.out(line);
}

function dimensions(text: string): TotalsDimension[] {
  return text.split(",").map((name) => {
    const known = TOTALS_DIMENSIONS.find((dimension) => dimension === name.trim());
    if (known === undefined) throw new InvalidArgumentError(`Expected any of ${TOTALS_DIMENSIONS.join(", ")}.`);
    return known;
  });
}

export function drawCosts({ from, to, rows, total }: CostReport, by: readonly TotalsDimension[]): string[] {
  const head = [...by.map((name) => name.toUpperCase()), "CALLS", "INPUT", "CACHED", "CACHE WRITE", "OUTPUT", "REASONING", "COST"];
  const first = by.map((_, index) => (index === 0 ? "total" : ""));
  const body = rows.map((row) => [...by.map((name) => nameOf(row[name])), ...cells(row)]);
  const lines = table([head, ...body, [...first, ...cells(total)]]);
  return [...lines, "", `${from} to ${to}, days in UTC. Calls that were replayed cost nothing and are not counted.`];
}

export function drawStats({ from, to, rows, total }: StatsReport, by: readonly TotalsDimension[]): string[] {
  const head = [...by.map((name) => name.toUpperCase()), "CALLS", "MODEL P50", "MODEL P95"];
  const first = by.map((_, index) => (index === 0 ? "total" : ""));
  const body = rows.map((row) => [...by.map((name) => nameOf(row[name])), ...latencyCells(row)]);
  return [...table([head, ...body, [...first, ...latencyCells(total)]]), "", `${from} to ${to}, days in UTC. Times are right within 19 %.`];
}

const latencyCells = ({ calls, latencyP50Ms = 0, latencyP95Ms = 0 }: Latencies): string[] => [
  formatCount(calls),
  formatMs(latencyP50Ms),
  formatMs(latencyP95Ms),
];

const nameOf = (name: string | undefined): string => (name === "*" ? "(other)" : oneLine(name ?? "", 40));

function cells(row: CostRow): string[] {
  const { calls, inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens, reasoningTokens } = row;
  const counts = [calls, inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens, reasoningTokens];
  return [...counts.map(formatCount), costOf(row)];
}

function costOf({ costMicroUsd, unknownCostCalls }: CostRow): string {
  if (costMicroUsd === undefined) return `unknown (${plural(unknownCostCalls, "call")})`;
  const known = formatMicroUsd(costMicroUsd);
  return unknownCostCalls === 0 ? known : `${known} + ${plural(unknownCostCalls, "call")} of unknown cost`;
}
