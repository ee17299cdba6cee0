/**
 * The simulation's command line:
 *
 *   npm run simulate -- --seeds 100000 [--from 1] [--json]    many seeds; exits 1 at the first violation
 *   npm run simulate -- --seed 42 [--trace] [--mutant NAME]   one seed
 *   npm run simulate -- --invariants | --mutants              what is checked, and what is known to be caught
 */
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { type CheckCounts, INVARIANTS, noCounts } from "./invariants.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { runSeed, type SeedReport, shrink } from "./run-seed.ts";

const PROGRESS_EVERY_MS = 5_000;
const TRACE_LINES = 60;

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly seed: number | undefined;
  readonly trace: boolean;
  readonly json: boolean;
  readonly mutant: Mutant | undefined;
}

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    mutant: { type: "string" },
    invariants: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
  },
});

if (values.invariants) printTable(Object.entries(INVARIANTS));
else if (values.mutants) printTable(Object.entries(MUTANTS).map(([name, { what }]) => [name, what]));
else process.exitCode = await main(readOptions());

function readOptions(): Options {
  const mutant = values.mutant === undefined ? undefined : MUTANTS[values.mutant];
  if (values.mutant !== undefined && mutant === undefined)
    fail(`--mutant: expected one of ${Object.keys(MUTANTS).join(", ")}; got ${values.mutant}.`);
  const seed = values.seed === undefined ? undefined : wholeNumber("--seed", values.seed);
  return { ...values, mutant, seed, seeds: wholeNumber("--seeds", values.seeds), from: wholeNumber("--from", values.from) };
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) fail(`${name}: expected a whole number; got ${JSON.stringify(text)}.`);
  return number;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

async function main(options: Options): Promise<number> {
  return options.seed === undefined ? many(options) : one(options.seed, options);
}

async function one(seed: number, { trace, json, mutant }: Options): Promise<number> {
  const report = await runSeed(seed, { mutant });
  if (trace) for (const line of report.trace) console.log(line);
  if (report.violation !== undefined) await tell(report, mutant);
  const { steps, endings, faults } = report;
  if (!json) console.log(`seed ${seed}: ${endings.join(", ")}; ${steps} steps, ${faults.length} faults, trace ${report.traceHash()}`);
  console.log(JSON.stringify({ seeds: 1, violations: report.violation === undefined ? 0 : 1, steps, perInvariant: report.counts }));
  return report.violation === undefined ? 0 : 1;
}

async function many({ seeds, from, json, mutant }: Options): Promise<number> {
  const perInvariant = noCounts();
  let steps = 0;
  let done = 0;
  let violations = 0;
  const endings: Record<string, number> = {};
  let tellAtMs = systemClock.nowMs() + PROGRESS_EVERY_MS;
  for (let seed = from; seed < from + seeds && violations === 0; seed++, done++) {
    const report = await runSeed(seed, { mutant });
    steps += report.steps;
    add(perInvariant, report.counts);
    for (const ending of report.endings) endings[ending] = (endings[ending] ?? 0) + 1;
    if (report.violation !== undefined) {
      violations += 1;
      await tell(report, mutant);
    }
    if (json || systemClock.nowMs() < tellAtMs) continue;
    console.log(`${done + 1}/${seeds} seeds, ${steps.toLocaleString("en")} steps, ${JSON.stringify(endings)}`);
    tellAtMs = systemClock.nowMs() + PROGRESS_EVERY_MS;
  }
  console.log(JSON.stringify({ seeds: done, violations, steps, endings, perInvariant }));
  return violations === 0 ? 0 : 1;
}

/** To stderr: the last line of stdout stays JSON. */
async function tell(report: SeedReport, mutant: Mutant | undefined): Promise<void> {
  const small = await shrink(report, mutant);
  const { violation } = small;
  console.error(`seed ${report.seed} breaks ${violation?.invariant}: ${violation?.message}`);
  if (violation !== undefined) console.error(`  that is: ${INVARIANTS[violation.invariant]}`);
  console.error(`  ${small.faults.length} of its ${report.faults.length} faults suffice; the trace's end (ms, who, what):`);
  for (const line of small.trace.slice(-TRACE_LINES)) console.error(`  ${line}`);
  const withMutant = values.mutant === undefined ? "" : ` --mutant ${values.mutant}`;
  console.error(`  all of it: npm run simulate -- --seed ${report.seed} --trace${withMutant}`);
}

function add(sums: CheckCounts, counts: CheckCounts): void {
  // `counts` was made by `noCounts`, so its keys are the invariants' names.
  for (const name of Object.keys(counts) as (keyof CheckCounts)[]) sums[name] += counts[name];
}

function printTable(rows: readonly (readonly [string, string])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, text] of rows) console.log(`${name.padEnd(width)}  ${text}`);
  console.log(`${rows.length} in all`);
}
