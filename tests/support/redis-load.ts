/** A load for the tests that take Redis away under a fleet: what was promised, what came of it, counted outside the fleet. */
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { systemClock } from "../../src/clock.ts";
import { currentCall } from "../../src/index.ts";
import { isFleetError } from "../../src/protocol/errors.ts";
import type { RunHandle } from "../../src/producers/run-handle.ts";
import { setupInProcess } from "./in-process-fleet.ts";
import { until } from "./redis-servers.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";

const MODEL_TAKES_MS = 40;

/** Calls the tool once, then answers. */
export async function actThenAnswer(call: FakeCall): Promise<FakeReply> {
  await systemClock.sleep(MODEL_TAKES_MS);
  return call.toolResults.length === 0 ? { toolCalls: [{ name: "act", arguments: {} }] } : { text: "done" };
}

export interface Effects {
  readonly agent: Agent;
  /** By run: how often its tool ran. */
  readonly byRun: Map<string, number>;
  /** When each effect happened, epoch ms. */
  readonly atMs: number[];
}

/** An agent whose tool says nothing about crashes, so it must never run twice by itself. */
export function actingAgent(name = "actor"): Effects {
  const byRun = new Map<string, number>();
  const atMs: number[] = [];
  const act = tool({
    name: "act",
    description: "Acts.",
    parameters: z.object({}),
    execute: async () => {
      const [runId = ""] = (currentCall()?.idempotencyKey ?? "").split("/");
      byRun.set(runId, (byRun.get(runId) ?? 0) + 1);
      atMs.push(systemClock.nowMs());
      return "acted";
    },
  });
  return { agent: new Agent({ name, model: "m", tools: [act] }), byRun, atMs };
}

export interface Load {
  /** The runs whose submit was answered. */
  readonly accepted: AcceptedRun[];
  /** Submits that were refused for a Redis that did not answer; each was sent again under its key. */
  readonly refused: () => number;
  readonly done: Promise<void>;
}

type AcceptedRun = Pick<RunHandle, "id" | "status"> & { result(options: { timeoutMs: number }): Promise<{ readonly status: string }> };
type Submit = (key: string) => Promise<AcceptedRun>;

/** Work that never ends would only time the test out; so it says which it was. */
export async function step<T>(name: string, work: PromiseLike<T>, withinMs = 25_000): Promise<T> {
  const ended = new AbortController();
  const late = systemClock.sleep(withinMs, ended.signal).then(() => {
    throw new Error(`${name} was not done within ${withinMs} ms.`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort("done");
  }
}

/** Submits `count` runs, a few at a time, each until it is accepted: as a caller does who holds to his idempotency key. */
export function startLoad(submit: Submit, count: number, atOnce = 4, pauseMs = 20): Load {
  const accepted: AcceptedRun[] = [];
  let refused = 0;
  let next = 0;
  const one = async (key: string): Promise<AcceptedRun> => {
    for (;;) {
      try {
        return await step(`the submit of ${key}`, submit(key));
      } catch (error) {
        if (!isFleetError(error) || error.code !== "BACKEND_UNREACHABLE") throw error;
        refused += 1;
        await systemClock.sleep(pauseMs);
      }
    }
  };
  const submitter = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      accepted.push(await one(`load-${next}`));
      await systemClock.sleep(pauseMs);
    }
  };
  const done = Promise.all(Array.from({ length: atOnce }, submitter)).then(() => undefined);
  return { accepted, refused: () => refused, done };
}

export interface Verdict {
  readonly accepted: number;
  /** How many runs ended how. */
  readonly ended: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly doubled: number;
}

/** Waits for every accepted run, and holds the results against the effects. */
export async function judge(load: Load, { byRun }: Pick<Effects, "byRun">, withinMs = 15_000): Promise<Verdict> {
  await step("the load", load.done, 40_000 + withinMs);
  const ended: Record<string, number> = {};
  const statuses = load.accepted.map(async (run) => {
    const status = await endOf(run, withinMs);
    ended[status] = (ended[status] ?? 0) + 1;
  });
  await step("the reading of the results", Promise.all(statuses), withinMs + 10_000);
  const ids = new Set(load.accepted.map(({ id }) => id));
  return {
    accepted: ids.size,
    ended,
    lost: [...ids].filter((id) => !byRun.has(id)).length,
    doubled: [...byRun.values()].filter((times) => times > 1).length,
  };
}

/** How a run ended, or what it is when the time is over. A wait that an outage cut off is begun again. */
async function endOf(run: AcceptedRun, withinMs: number): Promise<string> {
  const endAtMs = systemClock.nowMs() + withinMs;
  for (;;) {
    try {
      return (await run.result({ timeoutMs: Math.max(1, endAtMs - systemClock.nowMs()) })).status;
    } catch (error) {
      const isOutage = isFleetError(error) && error.code === "BACKEND_UNREACHABLE";
      if (!isOutage || systemClock.nowMs() >= endAtMs) return (await run.status()).status;
    }
  }
}

/** Every second run is one of ten conversations: their keys are others, and each run of them waits for the one before it. */
function talkOf(key: string): { readonly conversation?: string } {
  const number = Number(key.replace("load-", ""));
  return number % 2 === 0 ? { conversation: `talk-${number % 20}` } : {};
}

/** A fleet in this process, with a worker, on a Redis of the test's own. */
export async function openLoadedFleet(url: string) {
  const bundle = await setupInProcess(actThenAnswer, url);
  const effects = actingAgent();
  const fleet = bundle.fleet({ actor: effects.agent });
  return {
    bundle,
    effects,
    fleet,
    worker: await fleet.worker(bundle.workerOptions),
    load: (count: number) => startLoad((key) => fleet.submit("actor", "go", { idempotencyKey: key, ...talkOf(key) }), count),
    effectsSeen: (count: number) => until(`${count} effects`, 20_000, () => effects.atMs.length >= count),
    /** Model calls beyond the two that each run needs: in flight when something was lost. */
    repeatedCalls: (runs: number) => bundle.provider.served - 2 * runs,
  };
}

/** From `sinceMs` to the next effect, and the longest time without one from then on. */
export function gapAfter({ atMs }: Pick<Effects, "atMs">, sinceMs: number): number {
  const sorted = atMs.toSorted((a, b) => a - b);
  const before = sorted.findLastIndex((at) => at <= sinceMs);
  const around = sorted.slice(Math.max(before, 0));
  return Math.max(0, ...around.slice(1).map((at, index) => at - Math.max(around[index] ?? at, sinceMs)));
}
