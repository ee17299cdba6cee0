/** `flotilla worker`: takes runs until it is told to stop. */
import type { Command } from "commander";
import { queueNameSchema } from "../../protocol/ids.ts";
import { FleetError } from "../../protocol/errors.ts";
import { provisionRedis } from "../../redis/provision.ts";
import { createLog } from "../../telemetry/log.ts";
import type { CliContext } from "../context.ts";
import { findFleetFile, loadFleetFile, loadStockFleet } from "../fleet-file.ts";
import { wholeNumber } from "../options.ts";
import { runWorker } from "../worker.ts";

interface WorkerFlags {
  readonly fleet?: string;
  readonly queues?: readonly string[];
  readonly concurrency?: number;
}

export function addWorker(program: Command, context: CliContext, exit: (code: number) => void): void {
  program
    .command("worker")
    .description("take runs and work on them; SIGTERM finishes the durable step, a second one releases at once")
    .option(
      "--fleet <file>",
      "the file that exports `fleet`; default flotilla.config.ts, fleet.ts or src/fleet.ts, else the stock specialists",
    )
    .option("--queues <names>", "only these queues, with commas between", queueNames)
    .option("--concurrency <n>", "at most this many runs at a time", wholeNumber("--concurrency", 1, 1_000))
    .action(async (flags: WorkerFlags) => exit(await startWorker(context, flags)));
}

async function startWorker(context: CliContext, { fleet, queues, concurrency }: WorkerFlags): Promise<number> {
  const { prefix, logLevel } = context.settings();
  const file = findFleetFile(context.cwd, fleet);
  await using redis = await provisionRedis({
    env: context.env,
    allowJavaScript: false,
    dir: context.cwd,
    log: context.io.say,
    clock: context.clock,
  });
  context.io.say(`worker: ${file ?? "stock specialists (no fleet file here)"} on ${redis.describe}`);
  return await runWorker(context, {
    loadFleet: () => (file === undefined ? loadStockFleet() : loadFleetFile(file)),
    options: {
      redis: redis.url,
      prefix,
      env: context.env,
      log: createLog(logLevel),
      ...(queues === undefined ? {} : { queues }),
      ...(concurrency === undefined ? {} : { concurrency }),
    },
  });
}

function queueNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  const bad = names.find((name) => !queueNameSchema.safeParse(name).success);
  if (bad === undefined) return names;
  throw new FleetError("USAGE", `Expected --queues to name queues by letters, digits, _ and -; got ${JSON.stringify(bad)}.`, {
    at: "--queues",
  });
}
