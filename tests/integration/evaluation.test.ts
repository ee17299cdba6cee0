/** Promise: an evaluation from the command line passes or fails by its score, and is resumed without paying again. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Agent } from "@openai/agents";
import { expect, inject, onTestFinished, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { newPrefix } from "../support/redis-store.ts";
import { commandLine, emptyFolder, refusalOf } from "../unit/cli/cli-process.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

const GRADER = fileURLToPath(new URL("../../examples/evaluation/grade.ts", import.meta.url));

test("an evaluation that is stopped says how to go on; one that fails below its score finds under its id what was answered", {
  tags: ["redis", "processes", "slow"],
}, async () => {
  const provider = await startFakeProvider({ reply: () => ({ text: "1999" }) });
  onTestFinished(() => provider.close());
  const cwd = emptyFolder();
  const env = { REDIS_URL: inject("redisUrl"), FLOTILLA_PREFIX: newPrefix(), OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: "k" };
  const { start, run, file } = commandLine(env, cwd);
  file("cases.jsonl", '{"input":"how much?","expected":"1999"}\n{"input":"and now?","expected":"2000"}\n');
  const worker = start(["worker"]);
  await worker.says("worker.started");

  expect((await run(["pause", "--agent", "assistant"])).code).toBe(0);
  const stopped = start(["eval", "cases.jsonl", "--agent", "assistant", "--grader", GRADER, "--id", "e0"]);
  await stopped.says("evaluation e0");
  stopped.process.kill("SIGINT");
  const left = await stopped.ended;
  expect({ exit: left.code, ...refusalOf(left) }).toMatchObject({
    exit: 130,
    at: "evaluation e0",
    remedy: expect.stringContaining("--id e0"),
  });
  expect((await run(["runs", "cancel", "--agent", "assistant", "--yes"])).code).toBe(0);
  expect((await run(["resume", "--agent", "assistant"])).code).toBe(0);

  const command = ["eval", "cases.jsonl", "--agent", "assistant", "--grader", GRADER, "--min-score", "0.9", "--id", "e1", "--json"];
  const first = await run(command);
  expect(first.code).toBe(1);
  expect(JSON.parse(first.out)).toMatchObject({ id: "e1", stopped: "done", sides: [{ score: 0.75, graded: 2, unknownCostCalls: 2 }] });
  const results = (await readFile(path.join(cwd, "eval-e1.jsonl"), "utf8")).trim().split("\n");
  expect(results.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining({ line: 2, score: 0.5, why: "1 cents off" }));

  const again = await run(command.map((word) => (word === "0.9" ? "0.7" : word)));
  expect(again.code).toBe(0);
  expect(provider.calls).toHaveLength(2);

  const priced = await run(["costs", "--by", "agent", "--json"]);
  expect(JSON.parse(priced.out)).toMatchObject({ total: { calls: 2, unknownCostCalls: 2 } });
});

test("an evaluation whose agent has no live worker is given up, with what it waited for", { tags: ["redis"] }, async () => {
  await using bundle = await setupInProcess(() => ({ text: "1999" }));
  const worker = await bundle.fleet({ a: new Agent({ name: "a", model: "m" }) }).worker(bundle.workerOptions);
  await worker.close();
  let leaptMs = 0;
  // A clock whose sleepers wake at once, later.
  const clock: Clock = {
    nowMs: () => systemClock.nowMs() + leaptMs,
    sleep: async (ms, signal) => {
      leaptMs += ms;
      await systemClock.sleep(1, signal);
    },
  };
  const cwd = emptyFolder();
  await writeFile(path.join(cwd, "cases.jsonl"), '{"input":"how much?","expected":"1999"}\n');
  const context = { ...fakeContext({ env: { REDIS_URL: bundle.redisUrl, FLOTILLA_PREFIX: bundle.prefix }, cwd }), clock };
  expect(await runCli(["eval", "cases.jsonl", "--agent", "a", "--grader", "exact", "--json"], context)).toBe(1);
  expect(context.stdout).toEqual([]);
  expect(context.stderr).toContainEqual(expect.stringMatching(/^No live worker has a: waiting 30 s/));
  expect(JSON.parse(context.stderr.at(-1) ?? "")).toMatchObject({
    error: { code: "WORKERS_GONE", remedy: expect.stringContaining("--id") },
  });
});
