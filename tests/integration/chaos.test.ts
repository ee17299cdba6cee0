/** Each way to disturb a fleet, in small: real worker processes, a Redis of their own, counted from outside. `npm run chaos` does the same in large. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { findRedisProgram } from "../../tools/chaos/redis-server.ts";
import { needs } from "../support/redis.ts";

const MAIN = fileURLToPath(new URL("../../tools/chaos/main.ts", import.meta.url));
/** Less than the workers' own lease: most of a small run is waiting for it. */
const LEASE_MS = "2000";
const TAKES_AT_MOST_MS = 120_000;

const verdictSchema = z.looseObject({
  runs: z.int(),
  kills: z.int(),
  lost: z.int(),
  doubled: z.int(),
  paidTwice: z.int(),
  repeatedInFlight: z.int(),
  effectsRepeated: z.int(),
  divergent: z.int(),
  suspendedUnknown: z.int(),
});
/** Only with a mode. */
const loadSchema = verdictSchema.extend({
  faults: z.int(),
  callsServed: z.int(),
  turnsHeld: z.int(),
  badExits: z.int(),
  decided: z.int(),
  cancelled: z.int(),
  talked: z.int(),
});

interface Ended {
  readonly code: number;
  readonly lastLine: unknown;
  readonly said: string;
}

const chaos = (...args: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "--lease-ms", LEASE_MS, ...args], (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code, lastLine: JSON.parse(stdout.trim().split("\n").at(-1) || "null"), said: stderr });
    });
  });

const NO_VIOLATION = { lost: 0, doubled: 0, paidTwice: 0, effectsRepeated: 0, divergent: 0 };
/** Only with a mode. */
const NO_BROKEN_WORD = { approvalsLost: 0, decisionsTwice: 0, turnsOutOfOrder: 0, cancelledCompleted: 0 };

describe("chaos", { tags: ["processes", "slow", "real-redis"], timeout: TAKES_AT_MOST_MS }, () => {
  beforeEach((context) => {
    needs(context, "real-redis");
    try {
      findRedisProgram(process.env["PATH"]);
    } catch {
      context.skip("needs redis-server or valkey-server on PATH");
    }
  });

  const modes = [
    { mode: "kill", faults: 3, promise: "workers are killed" },
    { mode: "block", faults: 3, promise: "a tool holds the event loop of its worker" },
    { mode: "full", faults: 2, promise: "Redis has no memory left" },
    { mode: "redis", faults: 3, promise: "Redis is killed and comes back" },
    { mode: "net", faults: 4, promise: "the network between a worker and Redis fails" },
    { mode: "term", faults: 3, promise: "workers are told to end" },
  ];

  test.each(modes)(
    "nothing is lost, doubled or repeated, and every decision, turn and cancel counts, while $promise",
    async ({ mode, faults }) => {
      const ended = await chaos("--mode", mode, "--runs", "24", "--faults", String(faults), "--seed", "5");
      const verdict = loadSchema.parse(ended.lastLine);
      expect(verdict, ended.said).toMatchObject({ ...NO_VIOLATION, ...NO_BROKEN_WORD, runs: 24, faults, badExits: 0 });
      expect(verdict.turnsHeld).toBe((24 - verdict.cancelled) * 5);
      // The load has five such runs and four such turns besides those that are cancelled. A decision may be taken without an answer.
      expect(verdict.decided).toBeGreaterThan(0);
      expect(verdict.talked).toBe(4);
      expect(verdict.kills).toBe(mode === "kill" || mode === "redis" ? faults : 0);
      expect(verdict.callsServed).toBeGreaterThanOrEqual(verdict.turnsHeld);
      expect(ended.code).toBe(0);
    },
  );

  test("a death around a tool's intent and result, or before a wake is in its queue, leaves exactly the state that the model says", async () => {
    const { lastLine, said } = await chaos("--points", "--only", "intent#1,result#2,before:dispatch#1");
    // Behind the intent, and before the result, the effect is unknown, and the harness answers for it.
    const verdict = verdictSchema.parse(lastLine);
    expect(verdict, said).toMatchObject({ ...NO_VIOLATION, runs: 6, kills: 6, repeatedInFlight: 0, suspendedUnknown: 2 });
  });

  test("the JavaScript server is refused with one clear error", async () => {
    const ended = await new Promise<string>((resolve) => {
      execFile(process.execPath, [MAIN], { env: { PATH: "" } }, (_error, _stdout, stderr) => resolve(stderr));
    });
    expect(ended).toContain("REDIS_MISSING Chaos needs a real Redis server");
    expect(ended.trim().split("\n")).toHaveLength(3);
  });
});
