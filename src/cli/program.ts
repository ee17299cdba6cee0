/** The command line: what is understood, and how an outcome becomes an exit code. Each command's work stands in `commands/`. */
import { Command, CommanderError } from "commander";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import { RELEASE } from "../release.ts";
import { addConversations } from "./commands/conversations.ts";
import { addApprovals } from "./commands/approvals.ts";
import { addCosts } from "./commands/costs.ts";
import { addDemo } from "./commands/demo.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEnv } from "./commands/env.ts";
import { addEval } from "./commands/eval.ts";
import { addFailures } from "./commands/failures.ts";
import { addInit } from "./commands/init.ts";
import { addPause, addResume } from "./commands/pause.ts";
import { addRuns } from "./commands/runs.ts";
import { addStats } from "./commands/stats.ts";
import { addSubmit } from "./commands/submit.ts";
import { addWorker } from "./commands/worker.ts";
import type { CliContext } from "./context.ts";
import { EXIT, exitCodeHelp, exitCodeOf } from "./exit-codes.ts";

/** Adds one command; its action hands its exit code to `exit`. */
export type AddCommand = (program: Command, context: CliContext, exit: (code: number) => void) => void;

const COMMANDS: readonly AddCommand[] = [
  addSubmit,
  addRuns,
  addConversations,
  addFailures,
  addApprovals,
  addCosts,
  addStats,
  addEval,
  addPause,
  addResume,
  addWorker,
  addDev,
  addDemo,
  addDoctor,
  addEnv,
  addInit,
];

/** Runs one command line, without the program's own name. Never throws; resolves with the exit code. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  let code: number = EXIT.ok.code;
  const program = new Command("flotilla");
  program
    .description("A durable worker fleet for LLM agents on BullMQ and Redis.")
    .version(RELEASE)
    .addHelpText(
      "after",
      `\n${exitCodeHelp()}\n\nstdout is data, stderr is talk. REDIS_URL says which Redis; without it the folder's own private one is used.`,
    )
    .showHelpAfterError("(--help shows what is understood)");
  for (const add of COMMANDS) add(program, context, (given) => (code = given));
  speakThrough(program, context);

  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    return report(error, context, { argv, program });
  }
}

/** Commander's own words go the same way as everything else, and it never ends the process. */
function speakThrough(command: Command, context: CliContext): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => context.io.write(text),
    // Told once, by `report`.
    writeErr: () => undefined,
    outputError: () => undefined,
  });
  for (const sub of command.commands) speakThrough(sub, context);
}

interface CommandLine {
  readonly argv: readonly string[];
  readonly program: Command;
}

function report(error: unknown, { io }: CliContext, { argv, program }: CommandLine): number {
  const asJson = argv.includes("--json");
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok.code;
  const command = findCommand(program, argv);
  // A group of commands without one of them: what there is is the answer.
  if (error instanceof CommanderError && error.code === "commander.help" && !asJson) {
    io.say(command.helpInformation().trimEnd());
    return EXIT.usage.code;
  }
  const known = asFleetError(error, command);
  if (known === undefined) {
    io.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return EXIT.failed.code;
  }
  const { code, message, at, remedy } = known;
  io.say(asJson ? JSON.stringify({ error: { code, message, at, remedy } }) : known.describe());
  return exitCodeOf(known);
}

function asFleetError(error: unknown, command: Command): FleetError | undefined {
  if (isFleetError(error)) return error;
  if (!(error instanceof CommanderError)) return undefined;
  const path = pathOf(command);
  const message = error.code === "commander.help" ? `Expected one of the commands of \`${path}\`; got none.` : inWords(error.message);
  return new FleetError("USAGE", message, { at: path, remedy: `\`${path} --help\`` });
}

/** Commander begins in lower case, says "error:" and may add a guess on a line of its own. */
function inWords(text: string): string {
  const line = text
    .replace(/^error: /, "")
    .replace(/\s+/g, " ")
    .trim();
  const sentence = `${line.charAt(0).toUpperCase()}${line.slice(1)}`;
  return /[.?)]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** The innermost command that the line names. */
function findCommand(program: Command, argv: readonly string[]): Command {
  const next = program.commands.find((command) => command.name() === argv[0]);
  return next === undefined ? program : findCommand(next, argv.slice(1));
}

const pathOf = (command: Command): string => (command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`);
