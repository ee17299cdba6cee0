/** The six ways in which a chaos run is disturbed. Each is one fault at a time; which, whom and when the seed says. */
import type { Fault } from "./evidence.ts";
import type { Mode } from "./options.ts";
import { DIRECTIONS } from "./net-proxy.ts";
import type { Stage } from "./stage.ts";
import type { WorkerChild } from "./workers.ts";

export interface FaultPlan {
  /** How many, for so many runs. */
  readonly count: (runs: number) => number;
  /** The pause between a share of the load and its fault. */
  readonly pauseMs: readonly [from: number, to: number];
  /** Makes one and waits until it is over. Undefined when there was nobody to hit. */
  readonly make: (stage: Stage, number: number) => Promise<Fault | undefined>;
}

const LEAST = 3;
/** A share of the load begins when it is submitted, and a run of it lasts about so long: the fault comes at any place of it. */
const RUN_LASTS_MS = [0, 900] as const;
/** As often as DBOS restarts its database in an hour of its own chaos tests, per run of this one. */
const REDIS_RESTARTS = 20;
const REDIS_DOWN_TO_MS = 2_000;
const BIG_ENOUGH = 100;

export const FAULT_PLANS: Readonly<Record<Mode, FaultPlan>> = {
  kill: { count: (runs) => Math.max(LEAST, Math.ceil(runs / 20)), pauseMs: RUN_LASTS_MS, make: killOne },
  term: { count: (runs) => Math.max(LEAST, Math.ceil(runs / 25)), pauseMs: RUN_LASTS_MS, make: endOne },
  full: { count: (runs) => Math.max(2, Math.ceil(runs / 50)), pauseMs: RUN_LASTS_MS, make: fillMemory },
  redis: { count: (runs) => (runs >= BIG_ENOUGH ? REDIS_RESTARTS : LEAST), pauseMs: RUN_LASTS_MS, make: killRedis },
  net: { count: (runs) => Math.max(4, Math.ceil(runs / 25)), pauseMs: RUN_LASTS_MS, make: cutNet },
  // The tools make these themselves, when the jobs say so.
  block: { count: () => 0, pauseMs: [0, 0], make: async () => undefined },
};

const faultOf = (kind: Fault["kind"], worker: WorkerChild | undefined, atMs: number, endMs: number, note: string): Fault => ({
  kind,
  worker: worker?.name,
  pid: worker?.pid,
  atMs,
  endMs,
  note,
});

/** The process is gone in the middle of whatever it does; another takes its place at once. */
async function killOne({ chance, clock, crew, provider }: Stage): Promise<Fault | undefined> {
  const victim = chance.pick(crew.ready());
  if (victim === undefined) return undefined;
  const inFlight = provider.inFlight(victim.name);
  const atMs = clock.nowMs();
  victim.kill("SIGKILL");
  await victim.ended;
  crew.hire(victim.place);
  return faultOf("kill", victim, atMs, clock.nowMs(), `${victim.name}, ${inFlight} calls in flight`);
}

/** An orderly end under load. Its exit code is part of the note, and of the verdict: see `main.ts`. */
async function endOne({ chance, clock, crew }: Stage): Promise<Fault | undefined> {
  const victim = chance.pick(crew.ready());
  if (victim === undefined) return undefined;
  const atMs = clock.nowMs();
  victim.kill("SIGTERM");
  crew.hire(victim.place);
  const how = await victim.ended;
  return faultOf("term", victim, atMs, clock.nowMs(), `${victim.name} ended with ${how}`);
}

/** Some are over before a lease is, some are not. */
const FULL_PERCENT_OF_LEASE = [40, 180] as const;

/** The limit goes below what is in use: every write that needs memory is refused until it is raised. */
async function fillMemory({ chance, clock, redis, options }: Stage): Promise<Fault> {
  const used = Number(/^used_memory:(\d+)/m.exec(await redis.admin.info("memory"))?.[1] ?? 0);
  const atMs = clock.nowMs();
  await redis.admin.config("SET", "maxmemory", String(Math.floor(used * 0.9)));
  await clock.sleep((options.leaseMs * chance.between(...FULL_PERCENT_OF_LEASE)) / 100);
  await redis.admin.config("SET", "maxmemory", "0");
  return faultOf("full", undefined, atMs, clock.nowMs(), `full for ${clock.nowMs() - atMs} ms`);
}

async function killRedis({ chance, clock, redis }: Stage): Promise<Fault> {
  const atMs = clock.nowMs();
  await redis.kill();
  await clock.sleep(chance.between(0, REDIS_DOWN_TO_MS));
  await redis.start();
  return faultOf("redis", undefined, atMs, clock.nowMs(), `away for ${clock.nowMs() - atMs} ms`);
}

const NET_FAULTS = ["latency", "resets", "black hole", "one-sided"] as const;
/** A black hole longer than two leases and their grace. */
const BLACK_HOLE_LEASES = 3;
const ONE_SIDED_LEASES = 2;

/** One worker's way to Redis is disturbed; its way to the provider is not, so it goes on paying while it is alone. */
async function cutNet(stage: Stage, number: number): Promise<Fault | undefined> {
  const { chance, clock, crew, proxies, options } = stage;
  const victim = chance.pick(crew.ready());
  const proxy = victim === undefined ? undefined : proxies[victim.place];
  const kind = NET_FAULTS[number % NET_FAULTS.length] ?? "latency";
  if (victim === undefined || proxy === undefined) return undefined;
  const atMs = clock.nowMs();
  let note: string = kind;
  if (kind === "latency") {
    proxy.setLatencyMs(chance.between(20, 200));
    await clock.sleep(chance.between(1_000, 4_000));
    proxy.setLatencyMs(0);
  } else if (kind === "resets") {
    for (let left = chance.between(3, 8); left > 0; left--) {
      proxy.reset();
      await clock.sleep(chance.between(20, 600));
    }
  } else {
    const direction = chance.pick(DIRECTIONS) ?? "to-redis";
    proxy.silence(kind === "one-sided" ? [direction] : DIRECTIONS);
    await clock.sleep(options.leaseMs * (kind === "one-sided" ? ONE_SIDED_LEASES : BLACK_HOLE_LEASES));
    // A healed network either delivers what was held up, or has forgotten the connections.
    const forgets = chance.next() < 0.5;
    if (forgets) proxy.reset();
    proxy.heal();
    note = `${kind}${kind === "one-sided" ? ` ${direction}` : ""}, ${forgets ? "connections lost" : "delivered late"}`;
  }
  return faultOf("net", victim, atMs, clock.nowMs(), `${victim.name}: ${note}`);
}
