/** The work of the chaos runs: inputs survive the way into the prompt and back, the load is what the seed says, flags are checked. */
import { describe, expect, test } from "vitest";
import { type Asked, askedIn, inputOf, type Job } from "../../../tools/chaos/jobs.ts";
import { makeJobs } from "../../../tools/chaos/mix.ts";
import { CHAOS_DEFAULTS, readOptions } from "../../../tools/chaos/options.ts";
import { createChance } from "../../../tools/chaos/random.ts";
import { findRedisProgram } from "../../../tools/chaos/redis-server.ts";

test("a job is read back from its input, and another text is no job", () => {
  const plain: Asked = { number: 3, value: 12 };
  const blocking: Asked = { ...plain, block: { tool: "charge", ms: 15_000 } };
  const asking: Asked = { ...blocking, refund: true };
  for (const asked of [plain, blocking, asking]) expect(askedIn(inputOf(asked))).toEqual(asked);
  expect(askedIn("job 3 value x")).toBeUndefined();
});

test("the same seed makes the same load, another seed another one", () => {
  const options = readOptions(["--mode", "block", "--runs", "30", "--seed", "4"]);
  expect(makeJobs(options)).toEqual(makeJobs(options));
  expect(makeJobs({ ...options, seed: 5 })).not.toEqual(makeJobs(options));
  const held = makeJobs(options).flatMap(({ block }) => (block === undefined ? [] : [block.ms / CHAOS_DEFAULTS.leaseMs]));
  expect(held).toEqual([0.5, 1, 3]);
});

describe("of a load", () => {
  const jobs = makeJobs(readOptions(["--runs", "200"]));
  const some = (is: (job: Job) => boolean): number => jobs.filter(is).length;

  test("most jobs are plain; some wait for a person, speak in a conversation, are cancelled, or do two of these", () => {
    expect(some(({ refund, talk, cancelAfterMs }) => refund === undefined && talk === undefined && cancelAfterMs === undefined)).toBe(120);
    expect(some(({ refund, talk }) => refund === true && talk === undefined)).toBe(37);
    expect(some(({ talk }) => talk !== undefined)).toBe(37);
    expect(some(({ cancelAfterMs }) => cancelAfterMs !== undefined)).toBe(20);
    expect(some(({ refund, talk }) => refund === true && talk !== undefined)).toBe(7);
    expect(some(({ talk, cancelAfterMs }) => talk !== undefined && cancelAfterMs !== undefined)).toBe(7);
  });

  test("people approve and reject, contradict each other, and say it again", () => {
    const plans = jobs.flatMap(({ plan = [] }) => plan);
    expect(plans).toHaveLength(some(({ refund }) => refund === true));
    for (const [key, value] of [
      ["word", "approve"],
      ["word", "reject"],
      ["isContested", true],
      ["isRepeated", true],
    ] as const)
      expect(plans.some((plan) => plan[key] === value)).toBe(true);
  });
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
