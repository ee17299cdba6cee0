/** The work of the chaos runs: inputs survive the way into the prompt and back, the load is what the seed says, flags are checked. */
import { expect, test } from "vitest";
import { inputOf, type Job, jobOf } from "../../../tools/chaos/jobs.ts";
import { CHAOS_DEFAULTS, readOptions } from "../../../tools/chaos/options.ts";
import { createChance } from "../../../tools/chaos/random.ts";
import { findRedisProgram } from "../../../tools/chaos/redis-server.ts";
import { makeJobs } from "../../../tools/chaos/run-mode.ts";

test("a job is read back from its input, and another text is no job", () => {
  const plain: Job = { number: 3, value: 12 };
  const blocking: Job = { ...plain, block: { tool: "charge", ms: 15_000 } };
  expect(jobOf(inputOf(plain))).toEqual(plain);
  expect(jobOf(inputOf(blocking))).toEqual(blocking);
  expect(jobOf("job 3 value x")).toBeUndefined();
});

test("the same seed makes the same load, another seed another one", () => {
  const options = readOptions(["--mode", "block", "--runs", "30", "--seed", "4"]);
  expect(makeJobs(options)).toEqual(makeJobs(options));
  expect(makeJobs({ ...options, seed: 5 })).not.toEqual(makeJobs(options));
  const held = makeJobs(options).flatMap(({ block }) => (block === undefined ? [] : [block.ms / CHAOS_DEFAULTS.leaseMs]));
  expect(held).toEqual([0.5, 1, 3]);
});

test("chance stays within its bounds and meets both of them", () => {
  const chance = createChance(9);
  const drawn = new Set(Array.from({ length: 200 }, () => chance.between(2, 5)));
  expect(drawn).toEqual(new Set([2, 3, 4, 5]));
});

test("flags are read, and a wrong one is an error that names it", () => {
  expect(readOptions([])).toMatchObject({ mode: "kill", runs: 200, seed: 1, workers: 3, points: false, json: false });
  expect(readOptions(["--points"]).runs).toBe(1);
  expect(() => readOptions(["--mode", "fire"])).toThrow(/Expected --mode to be one of kill, block, full, redis, net, term; got "fire"/);
  expect(() => readOptions(["--runs", "0"])).toThrow(/Expected --runs to be a whole number of at least 1; got "0"/);
  expect(() => readOptions(["--surprise"])).toThrow(/--surprise/);
});

test("without a real Redis server there is one clear error", () => {
  expect(() => findRedisProgram("")).toThrow(
    expect.objectContaining({ code: "REDIS_MISSING", message: expect.stringContaining("real Redis server") }),
  );
});
