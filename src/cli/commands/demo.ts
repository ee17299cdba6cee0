/** `flotilla demo`: the promise, shown in a minute, without a key. */
import type { Command } from "commander";
import { type CliContext, untilStopped } from "../context.ts";
import { runDemo } from "../demo/run-demo.ts";
import { wholeNumber } from "../options.ts";

interface DemoFlags {
  readonly kill: boolean;
  readonly workers: number;
  readonly tickets?: string;
  readonly json?: true;
}

export function addDemo(program: Command, context: CliContext, exit: (code: number) => void): void {
  program
    .command("demo")
    .description("a support desk's tickets through worker processes; one is killed; then a verdict")
    .option("--no-kill", "kill no worker")
    .option("--workers <n>", "worker processes", wholeNumber("--workers", 1, 32), 3)
    .option("--tickets <file>", "your own tickets, JSONL with id and text")
    .option("--json", "print the verdict as JSON")
    .action(async ({ kill, workers, tickets, json }: DemoFlags) => {
      const options = { kill, workers, ticketsFile: tickets, json: json === true };
      exit(await untilStopped(context, (signal) => runDemo(context, options, signal)));
    });
}
