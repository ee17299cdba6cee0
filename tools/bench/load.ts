/** Rates with and without a backlog, and what a run costs in memory. */
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { completions, openRig, submitAll } from "./rig.ts";
import { graphOf, instantModel, workerModel } from "./shapes.ts";
import { round } from "./statistics.ts";

const DRAINED = 8_000;
const SLOTS = 50;

export interface LoadReport {
  readonly submitPerSec: number;
  /** Runs per second, by the number of runs that waited before. */
  readonly drainPerSec: Record<string, number>;
}

export async function measureLoad(redisUrl: string, backlogs: readonly number[], say: (line: string) => void): Promise<LoadReport> {
  const drainPerSec: Record<string, number> = {};
  let submitPerSec = 0;
  for (const backlog of backlogs) {
    say(`drain with ${backlog} waiting`);
    const { agents, entry, model } = graphOf("oneTurn");
    const rig = openRig(redisUrl, { [entry.name]: { agent: agents[entry.name] ?? entry, stream: false } }, model);
    const startedAt = performance.now();
    await submitAll(rig.fleet, entry.name, backlog + DRAINED);
    if (backlog === 0) submitPerSec = round(DRAINED / ((performance.now() - startedAt) / 1_000));
    const warm = completions(rig, 200);
    const all = completions(rig, DRAINED);
    await rig.startWorker(SLOTS);
    await warm;
    const from = performance.now();
    await all;
    drainPerSec[String(backlog)] = round((DRAINED - 200) / ((performance.now() - from) / 1_000));
    await rig.close();
  }
  return { submitPerSec, drainPerSec };
}

export async function measureMemory(redisUrl: string, count = 5_000): Promise<{ readonly waiting: number; readonly suspended: number }> {
  const { agents, entry, model } = graphOf("oneTurn");
  const rig = openRig(redisUrl, agents, model);
  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await rig.redis.info("memory"))?.[1]);
  const before = await used();
  await submitAll(rig.fleet, entry.name, count);
  const waiting = ((await used()) - before) / count;
  await rig.close();
  return { waiting: Math.round(waiting), suspended: await suspendedBytes(redisUrl) };
}

async function suspendedBytes(redisUrl: string, count = 500): Promise<number> {
  const danger = tool({
    name: "note",
    description: "Needs a person.",
    parameters: z.object({}),
    needsApproval: true,
    execute: async () => "done",
  });
  const rig = openRig(redisUrl, { a: { agent: new Agent({ name: "a", model: "m", tools: [danger] }), stream: false } }, workerModel(2));
  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await rig.redis.info("memory"))?.[1]);
  const before = await used();
  let suspended = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.onSettled(({ outcome }) => {
    if (outcome === "suspended") suspended += 1;
    if (suspended === count) resolve();
  });
  await rig.startWorker(SLOTS);
  await submitAll(rig.fleet, "a", count);
  await promise;
  const bytes = ((await used()) - before) / count;
  await rig.close();
  return Math.round(bytes);
}

export interface TurnSample {
  readonly turn: number;
  /** What the engine stores for this turn: journal entries and events of a model call and its tool call. */
  readonly bytes: number;
  readonly cpuMs: number;
}

/** One run of `turns` turns; the bytes are read back from Redis, turn by turn. */
export async function measurePerTurn(redisUrl: string, turns: readonly number[]): Promise<TurnSample[]> {
  const last = Math.max(...turns) + 1;
  const cpuAt: number[] = [];
  const model = instantModel((_request, results) => {
    const { user, system } = process.cpuUsage();
    cpuAt[results + 1] = (user + system) / 1_000;
    return results < last - 1
      ? [{ type: "function_call", name: "note", callId: `c${results}`, arguments: JSON.stringify({ turn: results }), status: "completed" }]
      : [{ type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "done" }] }];
  });
  const { agents } = graphOf("fiveTurns");
  const agent = agents["a"];
  if (agent === undefined) throw new Error("The shape has no agent.");
  const rig = openRig(redisUrl, { a: { agent, stream: false, limits: { turns: last + 1 } } }, model);
  await rig.startWorker(1);
  // The first run warms the code up.
  const warm = completions(rig, 1);
  await rig.fleet.submit("a", "go");
  await warm;
  const done = completions(rig, 1);
  const run = await rig.fleet.submit("a", "go");
  await done;
  const journal = new Map(Object.entries(await rig.redis.hgetall(`{${rig.prefix}:0}:run:${run.id}:journal:0`)));
  const events = await rig.redis.xrange(`{${rig.prefix}:0}:run:${run.id}:events`, "-", "+");
  const samples = turns.map((turn) => ({ turn, bytes: bytesOf(turn, journal, events), cpuMs: round(cpuOf(cpuAt, turn)) }));
  await rig.close();
  return samples;
}

function bytesOf(turn: number, journal: ReadonlyMap<string, string>, events: ReadonlyArray<[string, string[]]>): number {
  const callKey = [...journal.keys()].find((key) => key.startsWith("t:") && key.endsWith(`t${turn - 1}_0`));
  if (callKey === undefined) throw new Error(`The journal holds no tool call of turn ${turn}.`);
  const callId = callKey.slice(2);
  const values = [journal.get(`m:0:${turn - 1}`), journal.get(callKey)].map((value) => value?.length ?? 0);
  const ofTurn = events
    .map(([, fields]) => fields[1] ?? "")
    .filter((json) => json.includes(`"turn":${turn},`) || (json.includes(`"${callId}"`) && json.includes("tool.completed")));
  return [...values, ...ofTurn.map((json) => json.length)].reduce((sum, length) => sum + length, 0);
}

/** The mean over ten turns up to this one: a single turn is shorter than the clock of the CPU is fine. */
function cpuOf(cpuAt: readonly number[], turn: number): number {
  const from = Math.max(1, turn - 10);
  return ((cpuAt[turn] ?? Number.NaN) - (cpuAt[from] ?? Number.NaN)) / (turn - from);
}
