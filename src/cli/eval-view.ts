/** The summary of an evaluation, drawn for people: one column per side. */
import type { SideSummary, Summary } from "../producers/evaluation/summary.ts";
import { formatMicroUsd } from "./event-lines.ts";
import { formatMs, oneLine, plural, table } from "./io.ts";

export function drawSummary({ sides, comparison }: Summary): string[] {
  const row = (name: string, cell: (side: SideSummary) => string): string[] => [name, ...sides.map(cell)];
  const lines = table([
    row("", ({ agent, model }) => oneLine(model === undefined ? agent : `${agent}@${model}`, 48)),
    row("version", ({ versions }) => oneLine(versions.join(", "), 48) || "-"),
    row("score", ({ score }) => (score === undefined ? "none" : score.toFixed(3))),
    row("graded", ({ graded }) => plural(graded, "line")),
    row("completed", ({ completed, runs }) => `${completed} of ${plural(runs, "run")}`),
    row("cost", costOf),
    row("latency p50 / p95", ({ latencyP50Ms, latencyP95Ms }) =>
      latencyP50Ms === undefined || latencyP95Ms === undefined ? "none" : `${formatMs(latencyP50Ms)} / ${formatMs(latencyP95Ms)}`,
    ),
  ]);
  if (comparison === undefined) return lines;
  const { aBetter, bBetter, equal } = comparison;
  return [...lines, "", `the first is better in ${plural(aBetter, "line")}, the second in ${bBetter}; equal in ${equal}`];
}

function costOf({ knownMicroUsd, unknownCostCalls }: SideSummary): string {
  if (unknownCostCalls === 0) return formatMicroUsd(knownMicroUsd);
  const known = knownMicroUsd === 0 ? "" : `${formatMicroUsd(knownMicroUsd)} + `;
  return `${known}${plural(unknownCostCalls, "call")} of unknown cost`;
}
