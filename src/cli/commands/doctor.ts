/** `flotilla doctor`: looks at everything a fleet needs, and says what to do about what is wrong. */
import type { Command } from "commander";
import { type ErrorCode, isFleetError } from "../../protocol/errors.ts";
import { type AgentEntry, GONE_AFTER_MS, type WorkerEntry } from "../../protocol/registry.ts";
import { createProducer, type Producer } from "../../producer.ts";
import { connectRedis } from "../../redis/connection.ts";
import { provisionRedis } from "../../redis/provision.ts";
import { checkRedis } from "../../redis/start-up-checks.ts";
import type { CliContext } from "../context.ts";
import { EXIT, exitCodeOf } from "../exit-codes.ts";
import { findFleetFile, loadFleetFile } from "../fleet-file.ts";
import type { CliFleet } from "../fleet-port.ts";
import { oneLine, table } from "../io.ts";
import { routeFindings } from "../route-findings.ts";

export interface Finding {
  readonly check: string;
  /** `warn` does not fail the command. */
  readonly state: "ok" | "warn" | "bad";
  readonly text: string;
  readonly remedy?: string | undefined;
  readonly code?: ErrorCode;
}

interface DoctorFlags {
  readonly fleet?: string;
  readonly tenant?: string;
}

export function addDoctor(program: Command, context: CliContext, exit: (code: number) => void): void {
  program
    .command("doctor")
    .description("check Node, Redis, keys, the fleet file, live workers and where models lead")
    .option("--fleet <file>", "the file that exports `fleet`")
    .option("--tenant <tenant>", "look at the keys that this tenant's calls are made with")
    .option("--json", "print one JSON object per check")
    .action(async (flags: DoctorFlags & { readonly json?: true }) => {
      const found: Finding[] = [];
      for await (const finding of examine(context, flags)) found.push(finding);
      if (flags.json === true) for (const finding of found) context.io.out(JSON.stringify(finding));
      else for (const line of drawFindings(found)) context.io.out(line);
      exit(exitOf(found));
    });
}

const MARKS = { ok: "ok", warn: "note", bad: "BAD" } as const;

export const drawFindings = (found: readonly Finding[]): string[] =>
  table(
    found.map(({ check, state, text, remedy }) => [
      MARKS[state],
      check,
      remedy === undefined || state === "ok" ? text : `${text} Try: ${remedy}`,
    ]),
  );

/** A Redis that is away is told from other faults. */
export function exitOf(found: readonly Finding[]): number {
  const bad = found.filter(({ state }) => state === "bad");
  if (bad.some(({ check }) => check === "redis")) return EXIT.unreachable.code;
  return bad.length > 0 ? EXIT.failed.code : EXIT.ok.code;
}

async function* examine(context: CliContext, { fleet: fleetFlag, tenant }: DoctorFlags): AsyncGenerator<Finding> {
  yield { check: "node", state: "ok", text: process.versions.node };
  const environment = await attempt("environment", async () => keyFindings(context));
  yield* environment;
  // A wrong setting is told once; what depends on it is not looked at.
  if (environment.every(({ state }) => state !== "bad")) yield* await attempt("redis", async () => redisFindings(context));
  let fleet: CliFleet | undefined;
  yield* await attempt("fleet file", async () => {
    const file = findFleetFile(context.cwd, fleetFlag);
    if (file === undefined)
      return [{ check: "fleet file", state: "warn", text: "none here; workers use the stock specialists.", remedy: "flotilla init" }];
    fleet = await loadFleetFile(file);
    return [{ check: "fleet file", state: "ok", text: file }];
  });
  if (environment.every(({ state }) => state !== "bad")) yield* await attempt("models", async () => routeFindings(context, fleet, tenant));
}

function keyFindings(context: CliContext): Finding[] {
  const { hasOpenAiKey, openAiBaseUrl, liteLlmBaseUrl } = context.settings();
  const routes = [
    ...(hasOpenAiKey ? [openAiBaseUrl === undefined ? "OPENAI_API_KEY is set" : `models at ${new URL(openAiBaseUrl).host}`] : []),
    ...(liteLlmBaseUrl === undefined ? [] : [`models with a prefix at ${new URL(liteLlmBaseUrl).host}`]),
  ];
  // OPENAI_BASE_URL alone opens no route: a worker asks for a key, even where the endpoint takes any.
  if (routes.length > 0) return [{ check: "model key", state: "ok", text: routes.join(", ") }];
  return [
    {
      check: "model key",
      state: "warn",
      text: `OPENAI_API_KEY is not set${openAiBaseUrl === undefined ? "" : ", and OPENAI_BASE_URL alone is not enough"}.`,
      remedy:
        openAiBaseUrl === undefined
          ? "set it where workers run; `flotilla demo` needs none"
          : "set it to any text if the endpoint needs none",
    },
  ];
}

async function redisFindings({ env, cwd, io, clock, settings }: CliContext): Promise<Finding[]> {
  await using provisioned = await provisionRedis({ env, allowJavaScript: false, dir: cwd, log: io.say, clock });
  const redis = connectRedis({ url: provisioned.url, role: "producer", name: "flotilla-doctor" });
  try {
    const { version, notes } = await checkRedis(redis);
    const findings: Finding[] = [{ check: "redis", state: "ok", text: `${version}, ${provisioned.describe}` }];
    for (const note of notes) findings.push({ check: "redis settings", state: "warn", text: note });
    await using producer = createProducer({ redis, prefix: settings().prefix, clock });
    return [...findings, ...(await workerFindings(producer, clock.nowMs()))];
  } finally {
    redis.disconnect();
  }
}

async function workerFindings({ store }: Producer, nowMs: number): Promise<Finding[]> {
  const live = (await store.workers()).filter(({ seenAtMs }) => seenAtMs > nowMs - GONE_AFTER_MS);
  if (live.length === 0) return [{ check: "workers", state: "warn", text: "none is live.", remedy: "flotilla worker" }];
  const agents = [...new Set(live.flatMap((worker) => worker.agents))].toSorted();
  return [
    { check: "workers", state: "ok", text: `${live.length} live, with ${agents.join(", ")}` },
    ...unevenQueues(live, await store.agents()),
  ];
}

/** Queues of which some workers do not hold all agents: two fleets under one prefix, or a deploy that is under way. */
export function unevenQueues(
  live: readonly Pick<WorkerEntry, "queues" | "agents">[],
  agents: readonly Pick<AgentEntry, "name" | "queue">[],
): Finding[] {
  const uneven = agents.filter(({ name, queue }) => {
    const takers = live.filter((worker) => worker.queues.includes(queue));
    const holders = takers.filter((worker) => worker.agents.includes(name));
    return holders.length > 0 && holders.length < takers.length;
  });
  return [...Map.groupBy(uneven, ({ queue }) => queue)].map(([queue, missed]) => {
    const names = missed.map(({ name }) => oneLine(name, 64)).toSorted();
    return {
      check: "workers",
      state: "warn",
      text: `not every worker of queue ${queue} holds ${names.join(", ")}: a run waits until one that does takes it.`,
      remedy: "give two fleets on one Redis two prefixes (FLOTILLA_PREFIX); after a deploy it passes",
    };
  });
}

async function attempt(check: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isFleetError(error)) throw error;
    const isRedis = exitCodeOf(error) === EXIT.unreachable.code;
    return [
      { check: isRedis ? "redis" : check, state: "bad", text: `${error.code} ${error.message}`, remedy: error.remedy, code: error.code },
    ];
  }
}
