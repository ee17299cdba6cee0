/** Everything that a chaos run stands on, started in order and ended in reverse: Redis, provider, proxies, workers, a producer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/clock.ts";
import { createProducer, type Producer } from "../../src/producer.ts";
import { FleetError } from "../../src/protocol/errors.ts";
import type { ChaosOptions } from "./options.ts";
import { type NetProxy, startNetProxy } from "./net-proxy.ts";
import { type ChaosProvider, startChaosProvider } from "./provider.ts";
import { type Chance, createChance } from "./random.ts";
import { type ChaosRedis, findRedisProgram, startChaosRedis } from "./redis-server.ts";
import { type Crew, createCrew } from "./workers.ts";

export interface Stage {
  readonly options: ChaosOptions;
  readonly clock: typeof systemClock;
  readonly chance: Chance;
  readonly redis: ChaosRedis;
  readonly provider: ChaosProvider;
  /** One for each place of the crew, in mode `net` only. */
  readonly proxies: readonly NetProxy[];
  readonly crew: Crew;
  readonly producer: Producer;
  readonly effectsFile: string;
  /** The workers' logs and the effects file. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

export const SLOTS = 8;
const PREFIX = "chaos";
const LATENCY_FROM_MS = 10;
const LATENCY_TO_MS = 120;

/** Runs `work` on a stage of its own. The folder stays when `work` asks for it, so that a bad run can be looked at. */
export async function withStage<T>(
  options: ChaosOptions,
  say: (line: string) => void,
  work: (stage: Stage) => Promise<{ readonly value: T; readonly keep: boolean }>,
): Promise<T> {
  const program = findRedisProgram(process.env["PATH"]);
  const folder = mkdtempSync(path.join(tmpdir(), "chaos-run-"));
  const { value, keep } = await onStage(options, { say, program, folder }, work);
  if (keep) say(`The logs of the workers and the effects file are kept in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return value;
}

interface Place {
  readonly say: (line: string) => void;
  readonly program: string;
  readonly folder: string;
}

/** Resolves when everything that was started has ended. */
async function onStage<R>(options: ChaosOptions, { say, program, folder }: Place, work: (stage: Stage) => Promise<R>): Promise<R> {
  const clock = systemClock;
  const effectsFile = path.join(folder, "effects.jsonl");
  await using redis = await startChaosRedis(program, clock);
  await using provider = await startChaosProvider({ clock, latencyMs: (job, turn) => latencyOf(options.seed, job, turn) });
  await using proxies = await startProxies(options, redis, clock);
  const env = {
    FLOTILLA_PREFIX: PREFIX,
    OPENAI_BASE_URL: provider.url,
    CHAOS_EFFECTS_FILE: effectsFile,
    CHAOS_LEASE_MS: String(options.leaseMs),
  };
  await using crew = createCrew({ folder, slots: SLOTS, env, redisUrl: (place) => proxies.list[place]?.url ?? redis.url });
  await using producer = createProducer({ redis: redis.url, prefix: PREFIX, clock });
  const chance = createChance(options.seed);
  const stage: Stage = { options, clock, chance, redis, provider, proxies: proxies.list, crew, producer, effectsFile, folder, say };
  await hireAll(stage);
  return await work(stage);
}

/** Answers take as long as the seed says, whoever asks. */
const latencyOf = (seed: number, job: number, turn: number): number =>
  createChance(seed * 1_000_003 + job * 31 + turn).between(LATENCY_FROM_MS, LATENCY_TO_MS);

async function startProxies({ mode, workers }: ChaosOptions, { socketPath }: ChaosRedis, clock: typeof systemClock) {
  const places = mode === "net" ? workers : 0;
  const list = await Promise.all(Array.from({ length: places }, () => startNetProxy(socketPath, clock)));
  return {
    list,
    async [Symbol.asyncDispose]() {
      await Promise.all(list.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}

async function hireAll({ options, crew, folder, say }: Stage): Promise<void> {
  say(`Starting ${options.workers} worker processes …`);
  const hired = Array.from({ length: options.workers }, (_, place) => crew.hire(place));
  for (const worker of hired) {
    if (await worker.ready) continue;
    throw new FleetError("NO_WORKERS", `${worker.name} ended before it took work (${await worker.ended}).`, {
      at: folder,
      remedy: `read ${worker.name}.log there`,
    });
  }
}
