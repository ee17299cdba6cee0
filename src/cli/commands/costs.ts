/** `flotilla costs`: what model calls cost, as a table. */
import { type Command, InvalidArgumentError } from "commander";
import { COST_DIMENSIONS, type CostDimension, type CostReport, type CostRow } from "../../producers/costs.ts";
import { DAY_MS, dayOf, TOTALS } from "../../protocol/totals.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { formatMicroUsd } from "../event-lines.ts";
import { formatCount, oneLine, plural, table } from "../io.ts";
import { daysSince } from "../options.ts";

interface CostFlags {
  readonly by: readonly CostDimension[];
  readonly since: number;
  readonly tenant?: string;
  readonly json?: true;
}

export function addCosts(program: Command, context: CliContext): void {
  program
    .command("costs")
    .description("what model calls cost: by day, tenant, agent, version and model")
    .option("--by <names>", `any of ${COST_DIMENSIONS.join(", ")}, with commas between`, dimensions, ["agent", "model"])
    .option("--since <days>", "so many days, today in UTC included", daysSince("--since", TOTALS.keepDays), 7)
    .option("--tenant <tenant>", "only this tenant's")
    .option("--json", "print JSON")
    .action((flags: CostFlags) => costs(context, flags));
}

async function costs(context: CliContext, { by, since, tenant, json }: CostFlags): Promise<void> {
  const from = dayOf(context.clock.nowMs() - (since - 1) * DAY_MS);
  const query = { by: [...by], from, ...(tenant === undefined ? {} : { tenant }) };
  const report = await withProducer(context, (producer) => producer.costs(query));
  if (json === true) return context.io.out(JSON.stringify(report));
  if (report.rows.length === 0) return context.io.say(`No model call was written down from ${report.from} to ${report.to}.`);
  for (const line of drawCosts(report, by)) context.io.out(line);
}

function dimensions(text: string): CostDimension[] {
  return text.split(",").map((name) => {
    const known = COST_DIMENSIONS.find((dimension) => dimension === name.trim());
    if (known === undefined) throw new InvalidArgumentError(`Expected any of ${COST_DIMENSIONS.join(", ")}.`);
    return known;
  });
}

export function drawCosts({ from, to, rows, total }: CostReport, by: readonly CostDimension[]): string[] {
  const head = [...by.map((name) => name.toUpperCase()), "CALLS", "INPUT", "CACHED", "CACHE WRITE", "OUTPUT", "REASONING", "COST"];
  const first = by.map((_, index) => (index === 0 ? "total" : ""));
  const body = rows.map((row) => [...by.map((name) => nameOf(row[name])), ...cells(row)]);
  const lines = table([head, ...body, [...first, ...cells(total)]]);
  return [...lines, "", `${from} to ${to}, days in UTC. Calls that were replayed cost nothing and are not counted.`];
}

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
