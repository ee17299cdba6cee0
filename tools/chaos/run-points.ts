/** Kills at each point of the protocol, and compares the run's exact state with the model, right after the death and at the end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/clock.ts";
import { scriptSource, SCRIPT_NAMES } from "../../src/redis/scripts.ts";
import type { ChaosOptions } from "./options.ts";
import type { Percentiles } from "./count.ts";
import { POINTS, PRODUCER_POINTS } from "./point-model.ts";
import { type CaseResult, runProducerCase, runWorkerCase } from "./point-case.ts";
import { startChaosProvider } from "./provider.ts";
import { createChance } from "./random.ts";
import { percentiles } from "./recovery.ts";
import { findRedisProgram, startChaosRedis } from "./redis-server.ts";

export interface PointsResult {
  readonly points: number;
  /** One for each point and seed. */
  readonly runs: number;
  readonly kills: number;
  readonly lost: number;
  readonly doubled: number;
  readonly paidTwice: number;
  readonly repeatedInFlight: number;
  readonly effectsRepeated: number;
  /** Cases whose state was not exactly the model's. */
  readonly divergent: number;
  readonly suspendedUnknown: number;
  readonly recoveryMs: Percentiles;
  readonly problems: readonly string[];
}

/** Cases side by side: they mostly wait for a lease. */
const PARALLEL = 4;

export async function runPoints(options: ChaosOptions, say: (line: string) => void): Promise<PointsResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "chaos-points-"));
  const clock = systemClock;
  const handlers = new Map<number, (worker: string) => void>();
  await using redis = await startChaosRedis(findRedisProgram(process.env["PATH"]), clock);
  await using provider = await startChaosProvider({
    clock,
    latencyMs: (job, turn) => createChance(options.seed * 7_919 + job * 31 + turn).between(0, 60),
  });
  provider.onCall(({ job, worker }) => handlers.get(job)?.(worker));
  // Known beforehand, so that each script is sent once: a kill point counts commands.
  for (const name of SCRIPT_NAMES) await redis.admin.script("LOAD", scriptSource(name));
  const cases = casesOf(options);
  const results: CaseResult[] = [];
  const work = async (): Promise<void> => {
    for (let next = cases.shift(); next !== undefined; next = cases.shift()) {
      const stage = { clock, redis, provider, folder, leaseMs: options.leaseMs, ...next, onCalls: handlers };
      const result = next.isProducer ? await runProducerCase(stage) : await runWorkerCase(stage);
      results.push(result);
      say(
        `${results.length}  ${result.name} (seed ${next.seed}): ${result.problems.length === 0 ? "as expected" : result.problems.join("; ")}`,
      );
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  const isGood = results.every(({ problems }) => problems.length === 0);
  if (isGood) rmSync(folder, { recursive: true, force: true });
  else say(`The logs of the workers are kept in ${folder}`);
  return total(results);
}

interface Case {
  readonly name: string;
  readonly isProducer: boolean;
  readonly seed: number;
  /** Also the job's number. */
  readonly number: number;
  readonly value: number;
}

function casesOf({ runs, seed, only = "" }: ChaosOptions): Case[] {
  const wanted = only.split(",");
  const chance = createChance(seed);
  const names = [
    ...PRODUCER_POINTS.map(({ name }) => ({ name: `producer ${name}`, isProducer: true })),
    ...POINTS.map(({ name }) => ({ name, isProducer: false })),
  ].filter(({ name }) => wanted.some((text) => name.includes(text)));
  return Array.from({ length: runs }, (_, round) => names.map((point) => ({ ...point, seed: seed + round })))
    .flat()
    .map((point, number) => ({ ...point, number, value: chance.between(1, 9_999) }));
}

function total(results: readonly CaseResult[]): PointsResult {
  const sum = (of: (result: CaseResult) => number): number => results.reduce((all, result) => all + of(result), 0);
  return {
    points: new Set(results.map(({ name }) => name)).size,
    runs: results.length,
    kills: sum(({ killed }) => (killed ? 1 : 0)),
    lost: sum(({ atEnd }) => (atEnd.status === "completed" ? 0 : 1)),
    doubled: sum(({ atEnd }) => Math.max(0, atEnd.finals - 1)),
    paidTwice: sum(({ atEnd, expectedEnd }) => Math.max(0, atEnd.calls - expectedEnd.calls)),
    repeatedInFlight: sum(({ atEnd }) => Math.max(0, atEnd.calls - atEnd.turns)),
    effectsRepeated: sum(({ atEnd, expectedEnd }) => Math.max(0, atEnd.charges - 1) + Math.max(0, atEnd.notes - expectedEnd.notes)),
    divergent: results.filter(({ problems }) => problems.length > 0).length,
    suspendedUnknown: sum(({ atEnd }) => atEnd.resolvedRan + atEnd.resolvedNotRun),
    recoveryMs: percentiles(results.flatMap(({ recoveryMs }) => (recoveryMs === undefined ? [] : [recoveryMs]))),
    problems: results.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
  };
}
