/** One case of `run-points.ts`: one run under a prefix of its own, one death, one successor. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/clock.ts";
import { createProducer, type Producer, type RunHandle } from "../../src/producer.ts";
import type { RunInfo } from "../../src/protocol/run.ts";
import { isFinalEvent } from "../../src/protocol/events.ts";
import { readEffects } from "./effects.ts";
import { expectedOutput, inputOf, type Job, TOOLS, toolResult } from "./jobs.ts";
import { type Expected, POINTS, PRODUCER_POINTS, UNDISTURBED } from "./point-model.ts";
import type { ChaosProvider } from "./provider.ts";
import type { ChaosRedis } from "./redis-server.ts";
import { differences } from "./differences.ts";
import { type Crew, createCrew } from "./workers.ts";

export interface CaseParts {
  readonly clock: Clock;
  readonly redis: ChaosRedis;
  readonly provider: ChaosProvider;
  readonly folder: string;
  readonly leaseMs: number;
  readonly name: string;
  readonly number: number;
  readonly value: number;
  /** Told which worker calls, by job. */
  readonly onCalls: Map<number, (worker: string) => void>;
}

export interface CaseResult {
  readonly name: string;
  readonly killed: boolean;
  readonly atEnd: Omit<Expected["atEnd"], "status"> & { readonly status: string };
  readonly expectedEnd: Expected["atEnd"];
  /** From the death to the next attempt. */
  readonly recoveryMs: number | undefined;
  readonly problems: readonly string[];
}

const KILL_POINT = new URL("./kill-point.ts", import.meta.url).href;
const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const AGENT = "opener";
/** One for each queue. */
const SLOTS = 2;
const LOOK_MS = 50;
const ENDS_WITHIN_MS = 60_000;
const DIES_WITHIN_MS = 30_000;

export async function runWorkerCase(parts: CaseParts): Promise<CaseResult> {
  const point = POINTS.find(({ name }) => name === parts.name);
  if (point === undefined) throw new Error(`There is no point ${parts.name}.`);
  const { clock, redis, number } = parts;
  await using producer = createProducer({ redis: redis.url, prefix: prefixOf(parts), clock });
  await using victims = crewOf(parts, "victim", point.name);
  await using heirs = crewOf(parts, "heir");
  const victim = victims.hire(0);
  if (!(await victim.ready)) throw new Error(`The worker of ${point.name} ended before it took work.`);
  let calls = 0;
  parts.onCalls.set(number, (worker) => {
    if (worker === victim.name && `in:call#${++calls}` === point.name) victim.kill("SIGKILL");
  });
  const run = await producer.submit(AGENT, inputOf(jobOf(parts)));
  const how = await Promise.race([victim.ended, clock.sleep(DIES_WITHIN_MS).then(() => "nothing")]);
  const diedAtMs = clock.nowMs();
  const atKill = stateOf(await run.status());
  heirs.hire(0);
  const atEnd = await seeToTheEnd(parts, producer, run);
  const problems = [
    ...(how === "SIGKILL" ? [] : [`the worker was ended by ${how}`]),
    ...differences("at the kill", point.expected.atKill, atKill),
    ...differences("at the end", point.expected.atEnd, atEnd.state),
    ...atEnd.problems,
  ];
  const recoveryMs = atEnd.attemptsMs.find((atMs) => atMs > diedAtMs);
  return {
    name: point.name,
    killed: how === "SIGKILL",
    atEnd: atEnd.state,
    expectedEnd: point.expected.atEnd,
    recoveryMs: recoveryMs === undefined ? undefined : recoveryMs - diedAtMs,
    problems,
  };
}

/** The producer is the command line's own `submit`; the worker is there before it, because it must be known. */
export async function runProducerCase(parts: CaseParts): Promise<CaseResult> {
  const point = PRODUCER_POINTS.find(({ name }) => `producer ${name}` === parts.name);
  if (point === undefined) throw new Error(`There is no point ${parts.name}.`);
  const { redis, clock } = parts;
  await using producer = createProducer({ redis: redis.url, prefix: prefixOf(parts), clock });
  await using crew = crewOf(parts, "worker");
  if (!(await crew.hire(0).ready)) throw new Error(`The worker of ${parts.name} ended before it took work.`);
  const key = `key-${parts.number}`;
  const how = await submitAndDie(parts, point.name, key);
  const stored = await producer.list({ limit: 10 });
  // What is not stored was not answered, and is sent again; what is stored is only waited for.
  const [first] = stored;
  const run =
    first === undefined ? await producer.submit(AGENT, inputOf(jobOf(parts)), { idempotencyKey: key }) : producer.run(first.runId);
  const atEnd = await seeToTheEnd(parts, producer, run);
  const again = await producer.submit(AGENT, inputOf(jobOf(parts)), { idempotencyKey: key });
  const problems = [
    ...(how === "SIGKILL" ? [] : [`the producer was ended by ${how}`]),
    ...differences("at the kill", { runs: point.runsStored }, { runs: stored.length }),
    ...differences("at the end", UNDISTURBED, atEnd.state),
    ...differences("its key", { finds: run.id }, { finds: again.id }),
    ...atEnd.problems,
  ];
  return { name: parts.name, killed: how === "SIGKILL", atEnd: atEnd.state, expectedEnd: UNDISTURBED, recoveryMs: undefined, problems };
}

async function submitAndDie(parts: CaseParts, at: string, key: string): Promise<string> {
  const args = ["--import", KILL_POINT, MAIN, "submit", AGENT, inputOf(jobOf(parts)), "--key", key];
  const child = spawn(process.execPath, args, {
    cwd: parts.folder,
    stdio: "ignore",
    env: { PATH: process.env["PATH"], REDIS_URL: parts.redis.url, FLOTILLA_PREFIX: prefixOf(parts), CHAOS_KILL_AT: at },
  });
  const [code, signal] = await once(child, "exit");
  return String(signal ?? code);
}

const prefixOf = ({ number }: CaseParts): string => `point${number}`;
const effectsOf = (parts: CaseParts): string => path.join(parts.folder, `${prefixOf(parts)}.jsonl`);
const jobOf = ({ number, value }: CaseParts): Job => ({ number, value });

function crewOf(parts: CaseParts, role: string, killAt?: string): Crew {
  return createCrew({
    name: `${prefixOf(parts)}-${role}`,
    folder: parts.folder,
    slots: SLOTS,
    redisUrl: () => parts.redis.url,
    env: {
      FLOTILLA_PREFIX: prefixOf(parts),
      OPENAI_BASE_URL: parts.provider.url,
      CHAOS_EFFECTS_FILE: effectsOf(parts),
      CHAOS_LEASE_MS: String(parts.leaseMs),
      ...(killAt === undefined ? {} : { CHAOS_KILL_AT: killAt }),
    },
    // A second victim would die at the same point, or do the heir's work.
    ...(killAt === undefined ? {} : { nodeArgs: ["--import", KILL_POINT], replaces: false }),
  });
}

const stateOf = ({ status, hop, turns, openIntents, deaths }: RunInfo) => ({ status, hop, turns, openIntents: openIntents.length, deaths });

interface Ending {
  readonly state: CaseResult["atEnd"];
  readonly attemptsMs: readonly number[];
  readonly problems: readonly string[];
}

async function seeToTheEnd(parts: CaseParts, producer: Producer, run: RunHandle): Promise<Ending> {
  const { clock, provider, number } = parts;
  const resolved = { ran: 0, notRun: 0 };
  const giveUpAtMs = clock.nowMs() + ENDS_WITHIN_MS;
  let info = await run.status();
  while (info.finishedAtMs === undefined && clock.nowMs() < giveUpAtMs) {
    if (info.suspension === "effect-unknown") await resolveAll(parts, run, info, resolved);
    await clock.sleep(LOOK_MS);
    info = await run.status();
  }
  const events = await producer.store.events(run.id, "0-0", 1_000);
  const lines = readEffects(effectsOf(parts)).filter(({ phase }) => phase === "effect");
  const output = info.status === "completed" ? await producer.store.output(run.id) : undefined;
  return {
    state: {
      status: info.status,
      attempts: info.attempts,
      turns: info.turns,
      calls: provider.book().filter(({ job }) => job === number).length,
      notes: lines.filter(({ tool }) => tool === "note").length,
      charges: lines.filter(({ tool }) => tool === "charge").length,
      resolvedRan: resolved.ran,
      resolvedNotRun: resolved.notRun,
      finals: events.filter(({ event }) => isFinalEvent(event)).length,
    },
    attemptsMs: events.filter(({ event }) => event.type === "attempt.started").map(({ id }) => Number(id.split("-")[0])),
    problems: differences("at the end", { output: expectedOutput(jobOf(parts)) }, { output }),
  };
}

/** The only process that could still be in the tool is dead. */
async function resolveAll(parts: CaseParts, run: RunHandle, info: RunInfo, resolved: { ran: number; notRun: number }): Promise<void> {
  for (const { callId, tool: name } of info.openIntents) {
    const happened = readEffects(effectsOf(parts)).some(({ phase, key }) => phase === "effect" && key === `${run.id}/${callId}`);
    const tool = TOOLS.find((known) => known === name) ?? "charge";
    await run.resolve(callId, happened ? { type: "ran", result: toolResult(tool, parts.value) } : { type: "not-run" });
    if (happened) resolved.ran += 1;
    else resolved.notRun += 1;
  }
}
