/** `flotilla worker`: takes runs until it is told to stop. */
import { type Command, Option } from "commander";
import { queueNameSchema } from "../../protocol/ids.ts";
import { FleetError } from "../../protocol/errors.ts";
import { provisionRedis } from "../../redis/provision.ts";
import { createLog } from "../../telemetry/log.ts";
import type { CliContext } from "../context.ts";
import { findFleetFile, loadFleetFile, loadStockFleet } from "../fleet-file.ts";
import { wholeNumber } from "../options.ts";
import { superviseWorker } from "../supervised-worker.ts";
import { runWorker } from "../worker.ts";

interface WorkerFlags {
  readonly fleet?: string;
  readonly queues?: readonly string[];
  readonly concurrency?: number;
  readonly supervise: boolean;
  readonly supervised?: true;
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
    .option("--no-supervise", "work in this process: no restart after a crash, and its runs then wait for their lease")
    .addOption(new Option("--supervised", "what the supervisor starts its child with").hideHelp())
    .action(async (flags: WorkerFlags) => exit(await startWorker(context, flags)));
}

async function startWorker(context: CliContext, flags: WorkerFlags): Promise<number> {
  const { prefix, logLevel, codec } = context.settings();
  const file = findFleetFile(context.cwd, flags.fleet);
  await using redis = await provisionRedis({
    env: context.env,
    allowJavaScript: false,
    dir: context.cwd,
    log: context.io.say,
    clock: context.clock,
  });
  const log = createLog(logLevel);
  const isSupervised = flags.supervised === true;
  if (!isSupervised) context.io.say(`worker: ${file ?? "stock specialists (no fleet file here)"} on ${redis.describe}`);
  if (flags.supervise && !isSupervised) {
    return await superviseWorker(context, { redisUrl: redis.url, prefix, args: childArgs(file, flags), log });
  }
  const { queues, concurrency } = flags;
  return await runWorker(context, {
    loadFleet: () => (file === undefined ? loadStockFleet() : loadFleetFile(file)),
    options: {
      redis: redis.url,
      prefix,
      codec,
      env: context.env,
      log,
      ...(queues === undefined ? {} : { queues }),
      ...(concurrency === undefined ? {} : { concurrency }),
    },
    isSupervised,
  });
}

const childArgs = (file: string | undefined, { queues, concurrency }: WorkerFlags): string[] => [
  "worker",
  "--supervised",
  ...(file === undefined ? [] : ["--fleet", file]),
  ...(queues === undefined ? [] : ["--queues", queues.join(",")]),
  ...(concurrency === undefined ? [] : ["--concurrency", String(concurrency)]),
];

function queueNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  const bad = names.find((name) => !queueNameSchema.safeParse(name).success);
  if (bad === undefined) return names;
  throw new FleetError("USAGE", `Expected --queues to name queues by letters, digits, _ and -; got ${JSON.stringify(bad)}.`, {
    at: "--queues",
    remedy: "--queues default,slow",
  });
}
