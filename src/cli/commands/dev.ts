/** `flotilla dev`: a private Redis, a worker that starts again when files change, and what happens to runs, live. */
import { type FSWatcher, watch } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { createProducer, type Producer } from "../../producer.ts";
import type { RunInfo } from "../../protocol/run.ts";
import { provisionRedis } from "../../redis/provision.ts";
import { type Child, endChild, startSelf } from "../children.ts";
import { withRedis } from "../connect.ts";
import { type CliContext, untilStopped } from "../context.ts";
import { formatUsage } from "../event-lines.ts";
import { EXIT } from "../exit-codes.ts";
import { oneLine } from "../io.ts";

/** Editors write a file in several steps. */
const SETTLE_MS = 150;
const LOOK_EVERY_MS = 500;
const CHILD_GRACE_MS = 5_000;
const RUNS_WATCHED = 50;

const IGNORED = /(^|[\\/])(node_modules|\.git|\.flotilla|dist|coverage)([\\/]|$)/;
const SOURCE = /\.(ts|mts|js|mjs|json|env)$/;

/** True for a change that the worker's code may depend on. */
export const isSourceChange = (file: string): boolean => !IGNORED.test(file) && SOURCE.test(file);

export function addDev(program: Command, context: CliContext, exit: (code: number) => void): void {
  program
    .command("dev")
    .description("a private Redis, one worker that restarts when files change, and live news of runs")
    .option("--fleet <file>", "the file that exports `fleet`")
    .action(async (flags: { readonly fleet?: string }) => {
      await dev(context, flags.fleet);
      exit(EXIT.ok.code);
    });
}

async function dev(context: CliContext, fleet: string | undefined): Promise<void> {
  const { io, cwd, env, clock } = context;
  await using redis = await provisionRedis({ env, allowJavaScript: false, dir: cwd, log: io.say, clock });
  io.say(`Redis: ${redis.describe}`);
  await withRedis(redis.url, async (connection) => {
    const { prefix, codec } = context.settings();
    await using producer = createProducer({ redis: connection, prefix, clock, ...(codec === undefined ? {} : { codec }) });
    io.say("Submit from another terminal in this folder: flotilla submit <agent> <input> --wait");
    await untilStopped(context, async (signal) => {
      const worker = keepWorker(context, { redisUrl: redis.url, fleet, signal });
      await Promise.all([worker, tellNews(context, producer, signal)]);
    });
  });
}

interface KeepOptions {
  readonly redisUrl: string;
  readonly fleet: string | undefined;
  readonly signal: AbortSignal;
}

/** One worker at a time: the next starts when the one before has released what it held. */
async function keepWorker(context: CliContext, { redisUrl, fleet, signal }: KeepOptions): Promise<void> {
  const args = ["worker", ...(fleet === undefined ? [] : ["--fleet", fleet])];
  while (!signal.aborted) {
    const child = startSelf(context, args, { env: { ...context.env, REDIS_URL: redisUrl }, onLine: (line) => context.io.say(`  ${line}`) });
    const change = await nextChange(context, child, signal);
    await endChild(child, context, CHILD_GRACE_MS);
    if (!signal.aborted) context.io.say(`${change} changed: the worker starts again`);
  }
}

/** Resolves with the file that changed, or when the person stops. A worker that ended waits for a change, too. */
async function nextChange({ cwd, clock, io }: CliContext, child: Child, signal: AbortSignal): Promise<string> {
  let watcher: FSWatcher | undefined;
  void child.ended.then((how) => {
    if (watcher !== undefined) io.say(`The worker ended (${how}); it starts again when a file changes.`);
  });
  const changed = await new Promise<string>((resolve) => {
    signal.addEventListener("abort", () => resolve(""), { once: true });
    if (signal.aborted) resolve("");
    watcher = watch(cwd, { recursive: true }, (_event, file) => {
      if (file !== null && isSourceChange(file)) resolve(path.normalize(file));
    });
  });
  watcher?.close();
  watcher = undefined;
  await clock.sleep(SETTLE_MS, signal);
  return changed;
}

/** Says what changed of the newest runs. */
async function tellNews({ io, clock }: CliContext, producer: Producer, signal: AbortSignal): Promise<void> {
  const told = new Map<string, string>();
  const startedAtMs = clock.nowMs();
  while (!signal.aborted) {
    const runs = await producer.list({ limit: RUNS_WATCHED });
    for (const run of runs.toReversed()) {
      const news = newsOf(run);
      // What had ended before is history.
      if (run.updatedAtMs >= startedAtMs && told.get(run.runId) !== news) io.say(`${run.runId}  ${news}`);
      told.set(run.runId, news);
    }
    for (const id of [...told.keys()].slice(0, Math.max(0, told.size - RUNS_WATCHED * 4))) told.delete(id);
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

function newsOf(run: RunInfo): string {
  const state = run.suspension === undefined ? run.status : `${run.status} (${run.suspension})`;
  const end = run.finishedAtMs === undefined ? "" : `  ${run.turns} turns  ${formatUsage(run.usage)}`;
  const error = run.error === undefined ? "" : `  ${run.error.code} ${oneLine(run.error.message, 120)}`;
  return `${oneLine(run.agent, 40)}  ${state}${end}${error}`;
}
