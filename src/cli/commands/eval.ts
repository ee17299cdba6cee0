/** `flotilla eval`: runs a dataset through the fleet, grades the answers, and fails below a score. */
import { randomUUID } from "node:crypto";
import { open } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type Command, Option } from "commander";
import type { Producer } from "../../producer.ts";
import { type Baseline, parseBaseline } from "../../producers/evaluation/baseline.ts";
import { type EvalLine, LINE_EXAMPLE, parseDataset } from "../../producers/evaluation/dataset.ts";
import { type EvalPlan, evaluate, type Side } from "../../producers/evaluation/evaluate.ts";
import { NO_WORKER_AFTER_MS, watchWorkers } from "../../producers/evaluation/live-workers.ts";
import { exactGrader, functionGrader, type Grader, judgeGrader, schemaGrader } from "../../producers/evaluation/graders.ts";
import { createTally, type Summary } from "../../producers/evaluation/summary.ts";
import { FleetError, isFleetError } from "../../protocol/errors.ts";
import { withProducer } from "../connect.ts";
import { type CliContext, untilStopped } from "../context.ts";
import { drawSummary } from "../eval-view.ts";
import { EXIT } from "../exit-codes.ts";
import { plural } from "../io.ts";
import { numberFrom, wholeNumber } from "../options.ts";
import { readTextFile } from "../text-file.ts";
import { readSchema } from "./submit.ts";

interface EvalFlags {
  readonly agent: string;
  readonly grader: string;
  readonly model?: string;
  readonly versus?: string;
  readonly baseline?: string;
  readonly schema?: string;
  readonly judge: string;
  readonly tools: "deny" | "live";
  readonly maxCost?: number;
  readonly minScore?: number;
  readonly concurrency: number;
  readonly deadline: number;
  readonly tenant?: string;
  readonly id?: string;
  readonly out?: string;
  readonly json?: true;
}

export function addEval(program: Command, context: CliContext, exit: (code: number) => void): void {
  program
    .command("eval")
    .description("run a dataset through an agent, grade the answers, and fail below a score")
    .argument("<dataset>", `a file of lines such as ${LINE_EXAMPLE}`)
    .requiredOption("--agent <agent>", "the agent that begins each run")
    .requiredOption("--grader <grader>", "exact, schema, model, or a file whose default export grades")
    .option("--model <model>", "in place of the agents' own models")
    .option("--versus <side>", "side by side with another agent, with @model, or with agent@model")
    .option("--baseline <file>", "side by side with the results of an earlier evaluation, such as another version's")
    .option("--schema <file>", "the JSON schema of grader schema")
    .option("--judge <agent>", "the agent of grader model; answers with { score, why }", "judge")
    .addOption(new Option("--tools <mode>", "whether tools run").choices(["deny", "live"]).default("deny"))
    .option("--max-cost <usd>", "begin no line when the answers cost so much", numberFrom("--max-cost", 0, 1_000_000))
    .option("--min-score <score>", "exit with 1 below this mean", numberFrom("--min-score", 0, 1))
    .option("--concurrency <n>", "runs at once", wholeNumber("--concurrency", 1, 1_000), 8)
    .option("--deadline <ms>", "a run expires after this many milliseconds", wholeNumber("--deadline", 1), 600_000)
    .option("--tenant <tenant>", "whose runs they are")
    .option("--id <id>", "resume the evaluation of this id")
    .option("--out <file>", "where the results go, one JSON object per line; default eval-<id>.jsonl")
    .option("--json", "print the summary as JSON")
    .action(async (dataset: string, flags: EvalFlags) => exit(await runEval(context, dataset, flags)));
}

const DATASET_PLACE = { at: "<dataset>", remedy: `name a file of lines such as ${LINE_EXAMPLE}` };

async function runEval(context: CliContext, dataset: string, flags: EvalFlags): Promise<number> {
  const lines = parseDataset(await readTextFile(path.resolve(context.cwd, dataset), "dataset", DATASET_PLACE), dataset);
  const sides = sidesOf(flags);
  const baseline = await baselineOf(context, flags, lines);
  const id = flags.id ?? randomUUID().slice(0, 8);
  const out = path.resolve(context.cwd, flags.out ?? `eval-${id}.jsonl`);
  return withProducer(context, async (producer) => {
    const grader = await graderOf(context, producer, flags);
    const { tools, deadline: deadlineMs, concurrency, tenant } = flags;
    const maxCostMicroUsd = flags.maxCost === undefined ? undefined : flags.maxCost * 1_000_000;
    const plan = { id, lines, sides, grader, tools, deadlineMs, concurrency, tenant, maxCostMicroUsd };
    const agents = [...sides.map(({ agent }) => agent), ...(flags.grader === "model" ? [flags.judge] : [])];
    const { stopped, summary } = await whileWorked(context, producer, agents, (signal) => {
      // Said where Ctrl-C is heard already.
      context.io.say(`evaluation ${id}; resume it with --id ${id}`);
      return writeResults(producer, { ...plan, signal }, { out, baseline }).catch((error: unknown) => {
        throw resumable(error, id);
      });
    });
    if (flags.json === true) context.io.out(JSON.stringify({ id, stopped, results: out, ...summary }));
    else for (const line of drawSummary(summary)) context.io.out(line);
    if (stopped !== "done") context.io.say(`Stopped before the end: ${WORDS[stopped]}.`);
    context.io.say(`results: ${out}`);
    // An earlier evaluation need not be whole.
    return exitOf({ sides: summary.sides.slice(0, sides.length) }, lines.length, stopped === "done", flags.minScore);
  });
}

/** @throws FleetError USAGE, INPUT_INVALID */
async function baselineOf(context: CliContext, { baseline: file, versus }: EvalFlags, lines: readonly EvalLine[]) {
  if (file === undefined) return undefined;
  const place = { at: "--baseline", remedy: "--baseline eval-1a2b3c4d.jsonl, a results file of an earlier evaluation" };
  if (versus !== undefined) throw new FleetError("USAGE", "Expected either --baseline or --versus; got both.", place);
  const baseline = parseBaseline(await readTextFile(path.resolve(context.cwd, file), "results file", place), file, lines);
  if (baseline.strangers > 0)
    context.io.say(`${plural(baseline.strangers, "result")} of ${file} are of lines that the dataset does not have.`);
  return baseline;
}

/** Ends what nobody works on, and says so before it does. */
async function whileWorked<T>(
  context: CliContext,
  { store }: Producer,
  agents: readonly string[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, io } = context;
  const onMissing = (missing: readonly string[]): void =>
    io.say(`No live worker has ${missing.join(", ")}: waiting ${NO_WORKER_AFTER_MS / 1_000} s for one. Start it with: flotilla worker`);
  using watch = watchWorkers({ store, clock, onMissing }, agents);
  try {
    return await untilStopped(context, (signal) => work(AbortSignal.any([signal, watch.signal])));
  } catch (error) {
    throw watch.signal.aborted ? watch.signal.reason : error;
  }
}

const WORDS = {
  "max-cost": "the answers cost as much as --max-cost",
  "cost-unknown": "--max-cost cannot hold, because the cost of some calls is unknown; give the fleet `prices`",
} as const;

/** The wait for one run was ended, but what is gone on with is the evaluation. */
function resumable(error: unknown, id: string): unknown {
  if (!isFleetError(error) || error.code !== "WAIT_ABORTED") return error;
  return new FleetError("WAIT_ABORTED", "The evaluation was stopped; the runs that it began go on.", {
    at: `evaluation ${id}`,
    remedy: `give the same command again with \`--id ${id}\`: what is answered is not paid again`,
    cause: error,
  });
}

async function writeResults(
  producer: Producer,
  plan: EvalPlan,
  { out: file, baseline }: { readonly out: string; readonly baseline: Baseline | undefined },
) {
  await using out = await open(file, "w");
  const tally = createTally([...plan.sides, ...(baseline === undefined ? [] : [baseline.side])]);
  for (const result of baseline?.results ?? []) tally.add(result);
  const results = evaluate(producer, plan);
  for (;;) {
    const next = await results.next();
    if (next.done === true) return { stopped: next.value, summary: tally.summary() };
    tally.add(next.value);
    await out.write(`${JSON.stringify(next.value)}\n`);
  }
}

/** An evaluation that is not whole must not pass for one. */
export function exitOf({ sides }: Summary, lines: number, isDone: boolean, minScore = 0): number {
  const [first] = sides;
  if (first?.score === undefined || first.score < minScore) return EXIT.failed.code;
  return isDone && sides.every(({ graded }) => graded === lines) ? EXIT.ok.code : EXIT.partial.code;
}

/** @throws FleetError USAGE */
export function sidesOf({ agent, model, versus }: Pick<EvalFlags, "agent" | "model" | "versus">): Side[] {
  const a: Side = { side: "a", agent, ...(model === undefined ? {} : { model }) };
  if (versus === undefined) return [a];
  const at = versus.indexOf("@");
  const [otherAgent, otherModel] = at < 0 ? [versus, ""] : [versus.slice(0, at), versus.slice(at + 1)];
  const b: Side = { side: "b", agent: otherAgent === "" ? agent : otherAgent, ...(otherModel === "" ? {} : { model: otherModel }) };
  if (b.agent !== a.agent || b.model !== a.model) return [a, b];
  throw new FleetError("USAGE", "Expected --versus to name another agent or another model.", {
    at: "--versus",
    remedy: "--versus other-agent, --versus @other-model, or --versus other-agent@other-model",
  });
}

async function graderOf(context: CliContext, producer: Producer, { grader, schema, judge }: EvalFlags): Promise<Grader> {
  if (grader === "exact") return exactGrader;
  if (grader === "model") return judgeGrader(producer, judge);
  if (grader !== "schema") return functionGrader(await loadGrader(path.resolve(context.cwd, grader)));
  if (schema !== undefined) return schemaGrader(await readSchema(path.resolve(context.cwd, schema)));
  throw new FleetError("USAGE", "Expected --schema with grader schema.", { at: "--schema", remedy: "--schema answer.schema.json" });
}

async function loadGrader(file: string): Promise<Parameters<typeof functionGrader>[0]> {
  const refused = (why: string, cause?: unknown): FleetError =>
    new FleetError("USAGE", `Expected --grader to be exact, schema, model, or a file that exports a function as default; ${why}.`, {
      at: "--grader",
      remedy: "export default (result, line) => result.output === line.expected;",
      ...(cause === undefined ? {} : { cause }),
    });
  const loaded: { readonly default?: unknown } = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw refused(error instanceof Error ? error.message : String(error), error);
  });
  const grade = loaded.default;
  if (typeof grade !== "function") throw refused(`${path.basename(file)} exports none`);
  return (result, line) => grade(result, line);
}
