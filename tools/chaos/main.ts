/** `npm run chaos`: disturbs a real fleet and counts from outside what became of its runs. See docs/how-to/chaos.md. */
import { isFleetError } from "../../src/protocol/errors.ts";
import { isGood } from "./count.ts";
import { type ChaosOptions, readOptions } from "./options.ts";
import { runMode } from "./run-mode.ts";
import { runPoints } from "./run-points.ts";

const PROBLEMS_SHOWN = 20;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(readOptions(args));
  } catch (error) {
    if (!isFleetError(error)) throw error;
    console.error(error.describe());
    return error.code === "USAGE" ? 2 : 1;
  }
}

async function run(options: ChaosOptions): Promise<number> {
  const say = options.json ? () => undefined : (line: string): void => console.error(line);
  const { problems, ...result } = options.points ? await runPoints(options, say) : await runMode(options, say);
  // Also with --json: who sees a bad verdict wants to know why.
  for (const line of problems.slice(0, PROBLEMS_SHOWN)) console.error(line);
  console.log(JSON.stringify({ mode: options.points ? "points" : options.mode, ...result, seed: options.seed }));
  const badExits = "badExits" in result ? result.badExits : 0;
  return isGood(result) && badExits === 0 ? 0 : 1;
}
