/** `flotilla costs`: what model calls cost and how long they take, as a table. */
import type { Command } from "commander";
import type { CostReport, CostRow } from "../../producers/costs.ts";
import { TOTALS_DIMENSIONS, type TotalsDimension } from "../../producers/totals.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { formatSpending } from "../event-lines.ts";
import { formatCount, formatMs, oneLine, table } from "../io.ts";
import { daySince, namesOf } from "../options.ts";

interface CostFlags {
  readonly by: readonly TotalsDimension[];
  /** A day in UTC. */
  readonly since?: string;
  readonly tenant?: string;
  readonly json?: true;
}

export function addCosts(program: Command, context: CliContext): void {
  const [by, since] = [namesOf("--by", TOTALS_DIMENSIONS), daySince("--since", context.clock.nowMs)];
  program
    .command("costs")
    .description("what model calls cost and how long they take: by day, tenant, tag, agent, version and model")
    .option("--by <names>", `any of ${TOTALS_DIMENSIONS.join(", ")}, with commas between`, by, ["agent", "model"])
    .option("--since <days>", "so many days, today in UTC included, or a date; default: 7d", since)
    .option("--tenant <tenant>", "only this tenant's")
    .option("--json", "print JSON")
    .action((flags: CostFlags) => costs(context, flags));
}

async function costs(context: CliContext, { by, since, tenant, json }: CostFlags): Promise<void> {
  const query = { by: [...by], ...(since === undefined ? {} : { from: since }), ...(tenant === undefined ? {} : { tenant }) };
  const report = await withProducer(context, (producer) => producer.costs(query));
  if (json === true) context.io.out(JSON.stringify(report));
  else if (report.rows.length === 0) context.io.say(`No model call was written down from ${report.from} to ${report.to}.`);
  else for (const line of drawCosts(report, by)) context.io.out(line);
}

export function drawCosts({ from, to, rows, total }: CostReport, by: readonly TotalsDimension[]): string[] {
  const head = [
    ...by.map((name) => name.toUpperCase()),
    "CALLS",
    "INPUT",
    "CACHED",
    "CACHE WRITE",
    "OUTPUT",
    "REASONING",
    "P50",
    "P95",
    "COST",
  ];
  const first = by.map((_, index) => (index === 0 ? "total" : ""));
  const body = rows.map((row) => [...by.map((name) => nameOf(row[name])), ...cells(row)]);
  const lines = table([head, ...body, [...first, ...cells(total)]]);
  return [
    ...lines,
    "",
    `${from} to ${to}, days in UTC. Calls that were replayed cost nothing and are not counted. Times are right within 19 %.`,
  ];
}

const nameOf = (name: string | undefined): string => (name === "*" ? "(other)" : oneLine(name ?? "", 40) || "-");

function cells(row: CostRow): string[] {
  const { calls, inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens, reasoningTokens } = row;
  const { latencyP50Ms = 0, latencyP95Ms = 0 } = row;
  const counts = [calls, inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens, reasoningTokens];
  return [...counts.map(formatCount), formatMs(latencyP50Ms), formatMs(latencyP95Ms), formatSpending(row)];
}
