/** `flotilla runs retry | replay | fork`: a new run out of an older one, and for the last two both answers side by side. */
import { type Command, Option } from "commander";
import type { Producer } from "../../producer.ts";
import type { RunHandle } from "../../producers/run-handle.ts";
import { FleetError } from "../../protocol/errors.ts";
import { TOOL_MODES, type ToolMode } from "../../protocol/origin.ts";
import type { CliContext } from "../context.ts";
import { compareRuns, drawComparison } from "../compare-view.ts";
import { editInput, readInputFile } from "../edit-input.ts";
import { EXIT } from "../exit-codes.ts";
import { RUN_TENANT, type RunFlags, withRun } from "../one-run.ts";
import { jsonObject, wholeNumber } from "../options.ts";
import { collectRun } from "../run-view.ts";
import { printResult, tailRun } from "../tail.ts";

interface AgainFlags extends RunFlags {
  readonly tools?: ToolMode;
}
interface RetryFlags extends AgainFlags {
  readonly wait?: true;
}
interface CopyFlags extends AgainFlags {
  readonly detach?: true;
}
interface ReplayFlags extends CopyFlags {
  readonly edit?: true;
  readonly input?: string;
  readonly context?: string;
}
interface ForkFlags extends CopyFlags {
  readonly turn: number;
  readonly model?: string;
  readonly agent?: string;
}
type Exit = (code: number) => void;

export function addAgain(runs: Command, context: CliContext, exit: Exit): void {
  const add = (name: string, description: string, tools: string): Command =>
    runs
      .command(name)
      .description(description)
      .argument("<run>")
      .addOption(new Option("--tools <mode>", `what becomes of tool calls (default: ${tools})`).choices(TOOL_MODES))
      .option(...RUN_TENANT)
      .option("--json", "print JSON");
  add("retry", "carry a run on that failed, from the hop that failed; prints the new run's id", "as before, mostly live")
    .option("--wait", "stay until the new run ends; Ctrl-C detaches")
    .action(async (id: string, flags: RetryFlags) => exit(await retry(context, id, flags)));
  add("replay", "start a run anew, with another input if you like, and compare the two answers", "recorded")
    .option("--edit", "edit the input with $EDITOR")
    .option("--input <file>", "a file with the input: text, or .json with input items; - reads standard input")
    .option("--context <json>", "another context, a JSON object")
    .option("--detach", "only print the new run's id")
    .action(async (id: string, flags: ReplayFlags) => exit(await replay(context, id, flags)));
  add("fork", "go on from a turn of a run in a copy, and compare the two answers", "recorded")
    .requiredOption("--turn <n>", "the first turn that is made anew", wholeNumber("--turn", 1))
    .option("--model <model>", "the model from there on")
    .option("--agent <agent>", "another agent, where the turn is the first of a hop")
    .option("--detach", "only print the new run's id")
    .action(async (id: string, flags: ForkFlags) => exit(await fork(context, id, flags)));
}

const optionsOf = ({ tools, tenant }: AgainFlags) => ({
  ...(tools === undefined ? {} : { tools }),
  ...(tenant === undefined ? {} : { tenant }),
});

async function retry(context: CliContext, id: string, flags: RetryFlags): Promise<number> {
  return withRun(context, id, flags, async (source) => {
    const run = await source.retry(optionsOf(flags));
    if (flags.wait !== true) return printId(context, run, flags);
    context.io.say(`run ${run.id}`);
    const ended = await tailRun(context, run, { json: false, textTo: "talk" });
    return ended.status === "detached" ? ended.exitCode : printResult(context, await run.result(), flags.json === true);
  });
}

async function replay(context: CliContext, id: string, flags: ReplayFlags): Promise<number> {
  if (flags.edit === true && flags.input !== undefined) {
    throw new FleetError("USAGE", "Expected either --edit or --input; got both.", { at: "runs replay", remedy: "leave one out" });
  }
  const given = flags.context === undefined ? {} : { context: jsonObject("--context", flags.context) };
  const file = flags.input === undefined ? undefined : await readInputFile(context, flags.input);
  return withRun(context, id, flags, async (source, producer) => {
    const input = flags.edit === true ? await editInput(context, producer.store, id) : file;
    const options = { ...optionsOf(flags), ...given, ...(input === undefined ? {} : { input }) };
    return compared(context, producer, id, await source.replay(options), flags);
  });
}

async function fork(context: CliContext, id: string, flags: ForkFlags): Promise<number> {
  const { turn, model, agent } = flags;
  const options = { ...optionsOf(flags), turn, ...(model === undefined ? {} : { model }), ...(agent === undefined ? {} : { agent }) };
  return withRun(context, id, flags, async (source, producer) => compared(context, producer, id, await source.fork(options), flags));
}

/** Waits for the copy, and shows what became of it beside what became of its source. */
async function compared(context: CliContext, producer: Producer, id: string, copy: RunHandle, flags: CopyFlags): Promise<number> {
  if (flags.detach === true) return printId(context, copy, flags);
  context.io.say(`run ${copy.id}`);
  const ended = await tailRun(context, copy, { json: false, textTo: "talk" });
  if (ended.status === "detached") return ended.exitCode;
  const views = await Promise.all([producer.run(id), copy].map((run) => collectRun(run, producer.store)));
  const comparison = compareRuns(views);
  if (flags.json === true) context.io.out(JSON.stringify(comparison));
  else for (const line of drawComparison(comparison)) context.io.out(line);
  return comparison.copy.status === "completed" ? EXIT.ok.code : EXIT.failed.code;
}

function printId({ io }: CliContext, run: RunHandle, { json }: AgainFlags): number {
  io.out(json === true ? JSON.stringify({ runId: run.id }) : run.id);
  return EXIT.ok.code;
}
