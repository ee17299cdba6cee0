/**
 * The demo: a support desk's tickets through a fleet of worker processes, one of which is killed on the way, and a verdict from outside.
 * Everything is real but the model, unless there is a key.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { createProducer, type Producer } from "../../producer.ts";
import { FleetError } from "../../protocol/errors.ts";
import { addUsage, NO_USAGE, type Usage } from "../../protocol/run.ts";
import { type ProvisionedRedis, provisionRedis } from "../../redis/provision.ts";
import type { FakeProvider, FakeRule } from "../../testing/fake-provider.ts";
import type { CliContext } from "../context.ts";
import { formatUsage } from "../event-lines.ts";
import { EXIT } from "../exit-codes.ts";
import { formatMs, plural, table } from "../io.ts";
import type { Env } from "../settings.ts";
import { type Crew, startCrew } from "./crew.ts";
import { createProgress } from "./progress.ts";
import { readTickets, type Ticket, ticketText } from "./tickets.ts";
import { type Check, type DemoEffect, type DemoRow, judge } from "./verdict.ts";

export interface DemoOptions {
  readonly workers: number;
  readonly kill: boolean;
  readonly ticketsFile: string | undefined;
  readonly json: boolean;
}

interface Finished {
  readonly row: DemoRow;
  readonly usage: Usage;
  /** Who made each turn, by worker id. */
  readonly turnsOf: ReadonlyMap<string, number>;
  /** The line of the results file. */
  readonly line: string;
}

interface Stage {
  readonly context: CliContext;
  readonly options: DemoOptions;
  readonly tickets: readonly Ticket[];
  readonly producer: Producer;
  readonly crew: Crew;
  /** Runs in the fleet at once. */
  readonly window: number;
  readonly signal: AbortSignal;
}

const EXAMPLE = new URL("../../../examples/support-desk/", import.meta.url);
const SLOTS = 8;
/** A fake answer takes as long as a fast real one, so that the kill meets calls in flight. */
const FAKE_LATENCY_MS = 150;
const WINDOW = 200;
/** The JavaScript server moves waiting jobs slowly. */
const SLOW_WINDOW = 80;

/** Runs the demo. Resolves with the exit code: 1 when the verdict is bad. */
export async function runDemo(context: CliContext, options: DemoOptions, signal: AbortSignal): Promise<number> {
  const { io, clock, cwd, env } = context;
  const fleetFile = fileURLToPath(new URL("fleet.ts", EXAMPLE));
  if (!existsSync(fleetFile)) {
    throw new FleetError("USAGE", "The demo's support desk is not part of the installed package.", {
      at: "demo",
      remedy: "clone the repository and run `npm run demo` there",
    });
  }
  const tickets = await readTickets(options.ticketsFile ?? fileURLToPath(new URL("tickets.jsonl", EXAMPLE)));
  const folder = path.join(cwd, ".flotilla", "demo");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const effectsFile = path.join(folder, "refunds.jsonl");

  await using redis = await provisionRedis({ env, allowJavaScript: true, log: io.say, clock });
  io.say(`Redis: ${redis.describe}`);
  await using provider = await provideModel(context);
  const prefix = `${context.settings().prefix}-demo-${clock.nowMs().toString(36)}`;
  await using producer = createProducer({ redis: redis.url, prefix, clock });
  const workerEnv = { ...env, ...modelEnv(provider), REDIS_URL: redis.url, FLOTILLA_PREFIX: prefix, SUPPORT_DESK_REFUNDS: effectsFile };
  await using crew = startCrew(context, { size: options.workers, slots: SLOTS, fleetFile, env: workerEnv, logDir: folder });
  io.say(`Starting ${plural(options.workers, "worker process", "worker processes")} …`);
  await crew.ready(producer.store, signal);

  const startedAtMs = clock.nowMs();
  const stage: Stage = { context, options, tickets, producer, crew, window: windowFor(redis), signal };
  const { finished, wasKilled } = await workThrough(stage);
  if (signal.aborted) {
    io.say("Stopped. The workers end; the demo's Redis keys have a time to live.");
    return EXIT.detached.code;
  }
  const resultsFile = path.join(folder, "results.jsonl");
  await writeFile(resultsFile, finished.map(({ line }) => `${line}\n`).join(""));
  const checks = judge({
    tickets: tickets.map(({ id }) => id),
    rows: await readRows(resultsFile),
    served: provider?.served,
    effects: await readEffects(effectsFile),
    inFlightAtKill: wasKilled ? SLOTS : 0,
  });
  report(stage, { finished, checks, tookMs: clock.nowMs() - startedAtMs, resultsFile });
  return checks.every(({ ok }) => ok) ? EXIT.ok.code : EXIT.failed.code;
}

async function provideModel({ io, env }: CliContext): Promise<FakeProvider | undefined> {
  if ((env["OPENAI_API_KEY"] ?? "") !== "") {
    io.say("Model: the one of OPENAI_API_KEY; this costs money.");
    return undefined;
  }
  const { startFakeProvider } = await import("../../testing/fake-provider.ts");
  const provider = await startFakeProvider({ reply: await loadRule(), latencyMs: FAKE_LATENCY_MS, keepsBodies: false });
  io.say(`Model: no OPENAI_API_KEY, so a fake provider answers by rules on ${new URL(provider.url).host}`);
  return provider;
}

/** The example lies beside the sources, not among them, so its types are not known here. */
async function loadRule(): Promise<FakeRule> {
  const file = new URL("rules.ts", EXAMPLE).href;
  const loaded: Record<string, unknown> = await import(file);
  const rule = loaded["reply"];
  if (isRule(rule)) return rule;
  throw new FleetError("FLEET_FILE_INVALID", "Expected the example's rules to export `reply`.", { at: file });
}

const isRule = (value: unknown): value is FakeRule => typeof value === "function";

const modelEnv = (provider: FakeProvider | undefined): Env =>
  provider === undefined ? {} : { OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: "fake-key-of-the-demo" };

const windowFor = ({ kind }: ProvisionedRedis): number => (kind === "javascript" ? SLOW_WINDOW : WINDOW);

/** Submits all tickets, at most `window` of them unfinished at a time, and kills a worker when a third is done. */
async function workThrough(stage: Stage): Promise<{ finished: Finished[]; wasKilled: boolean }> {
  const { context, options, tickets, producer, crew, window, signal } = stage;
  const progress = createProgress(context.io, context.clock, tickets.length);
  const finished: Finished[] = [];
  const open = new Set<Promise<void>>();
  let killed: Promise<string> | undefined;
  const done = async (result: Finished): Promise<void> => {
    finished.push(result);
    progress.update(finished.length, `${plural(options.workers - (killed === undefined ? 0 : 1), "worker")} at work`);
    if (!options.kill || killed !== undefined || finished.length < tickets.length / 3) return;
    killed = crew.killOne(producer.store);
    context.io.say(`SIGKILL to ${await killed} in the middle of its work`);
  };
  const workAndTell = async (ticket: Ticket): Promise<void> => {
    const result = await workOne(stage, ticket);
    if (result !== undefined) await done(result);
  };
  for (const ticket of tickets) {
    if (signal.aborted) break;
    const work = workAndTell(ticket);
    open.add(work);
    // Only forgets it; whoever waits for `work` meets its error.
    const forget = (): void => void open.delete(work);
    work.then(forget, forget);
    if (open.size >= window) await Promise.race(open);
  }
  await Promise.all(open);
  return { finished, wasKilled: killed !== undefined };
}

/** Undefined when the person stopped the demo. */
async function workOne({ producer, signal }: Stage, ticket: Ticket): Promise<Finished | undefined> {
  const run = await producer.submit("triage", ticketText(ticket), {
    tenant: "demo",
    idempotencyKey: ticket.id,
    context: { ticketId: ticket.id },
    metadata: { ticket: ticket.id },
  });
  const workerOf = new Map<number, string>();
  const turnsOf = new Map<string, number>();
  for await (const event of run.events({ signal })) {
    if (event.type === "attempt.started") workerOf.set(event.attempt, event.worker);
    if (event.type !== "turn.completed") continue;
    const worker = workerOf.get(event.attempt) ?? "?";
    turnsOf.set(worker, (turnsOf.get(worker) ?? 0) + 1);
  }
  if (signal.aborted) return undefined;
  const result = await run.result();
  const output = result.status === "completed" ? result.output : undefined;
  const refundedCents = refundSchema.safeParse(output).data?.refundedCents ?? 0;
  const row: DemoRow = {
    ticket: ticket.id,
    runId: run.id,
    status: result.status,
    agent: result.agent,
    requests: result.usage.requests,
    refundedCents,
  };
  const line = JSON.stringify({ ...row, usage: result.usage, ...("error" in result ? { error: result.error } : { output }) });
  return { row, usage: result.usage, turnsOf, line };
}

const refundSchema = z.object({ refundedCents: z.int().min(0) });
const rowSchema = z.object({
  ticket: z.string(),
  runId: z.string(),
  status: z.string(),
  agent: z.string(),
  requests: z.int(),
  refundedCents: z.int(),
});
const effectSchema = z.object({ key: z.string(), ticket: z.string(), amountCents: z.int() });

/** Read back from the file, so that what is judged is what was written. */
const readRows = async (file: string): Promise<DemoRow[]> => (await readLines(file)).map((line) => rowSchema.parse(JSON.parse(line)));

const readEffects = async (file: string): Promise<DemoEffect[]> =>
  (await readLines(file)).map((line) => effectSchema.parse(JSON.parse(line)));

async function readLines(file: string): Promise<string[]> {
  try {
    return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  } catch (error) {
    // No refund, no file.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

interface Report {
  readonly finished: readonly Finished[];
  readonly checks: readonly Check[];
  readonly tookMs: number;
  readonly resultsFile: string;
}

function report({ context: { io, cwd }, options, crew }: Stage, { finished, checks, tookMs, resultsFile }: Report): void {
  const usage = finished.map((entry) => entry.usage).reduce(addUsage, NO_USAGE);
  const turns = new Map<string, number>();
  for (const { turnsOf } of finished)
    for (const [id, count] of turnsOf) turns.set(crew.nameOf(id), (turns.get(crew.nameOf(id)) ?? 0) + count);
  const ok = checks.every((check) => check.ok);
  const results = path.relative(cwd, resultsFile);
  if (options.json) {
    io.out(JSON.stringify({ ok, tickets: finished.length, tookMs, usage, turnsPerWorker: Object.fromEntries(turns), checks, results }));
    return;
  }
  io.say(`${plural(finished.length, "ticket")} in ${formatMs(tookMs)}; results in ${results}`);
  io.say(`${formatUsage(usage)} in ${plural(usage.requests, "model call")}`);
  const split = [...turns].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => [`  ${name}`, plural(count, "turn")]);
  for (const line of table(split)) io.say(line);
  io.out(`Verdict, counted from outside the fleet: ${ok ? "good" : "BAD"}`);
  for (const check of checks) io.out(`  ${check.ok ? "ok " : "BAD"} ${check.text}`);
}
