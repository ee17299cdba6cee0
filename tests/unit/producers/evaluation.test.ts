/** A dataset through the fleet: graded, resumed without paying again, and stopped where a limit says so. */
import { Agent, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { exitOf, sidesOf } from "../../../src/cli/commands/eval.ts";
import { drawSummary } from "../../../src/cli/eval-view.ts";
import { createFleet } from "../../../src/index.ts";
import { parseBaseline } from "../../../src/producers/evaluation/baseline.ts";
import { parseDataset } from "../../../src/producers/evaluation/dataset.ts";
import { type EvalPlan, type EvalResult, evaluate } from "../../../src/producers/evaluation/evaluate.ts";
import { type EvalProducer, exactGrader, functionGrader, judgeGrader, schemaGrader } from "../../../src/producers/evaluation/graders.ts";
import { createTally } from "../../../src/producers/evaluation/summary.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { failing, priced } from "../../support/paying.ts";
import { say } from "../../support/script.ts";

type TestedFleet = EvalProducer & { settle(): Promise<void> };

/** Lets the fleet work until the evaluation is over. */
// A fleet's submit takes what its agents take; an evaluation reads inputs from a file, and submit checks them.
const untyped = (fleet: object): TestedFleet => fleet as TestedFleet;

async function run(given: object, plan: EvalPlan): Promise<{ results: EvalResult[]; stopped: string }> {
  const fleet = untyped(given);
  const results: EvalResult[] = [];
  let stopped: string | undefined;
  const read = async (): Promise<void> => {
    const reading = evaluate(fleet, plan);
    for (;;) {
      const next = await reading.next();
      if (next.done === true) {
        stopped = next.value;
        return;
      }
      results.push(next.value);
    }
  };
  const reading = read();
  while (stopped === undefined) {
    await fleet.settle();
    await Promise.race([reading, new Promise((resolve) => setImmediate(resolve))]);
  }
  return { results: results.toSorted((a, b) => a.line - b.line || a.side.localeCompare(b.side)), stopped };
}

const lines = parseDataset('{"input":"one","expected":"1"}\n\n{"input":"two","expected":"2"}\n', "d.jsonl");
const plan = (more: Partial<EvalPlan> = {}): EvalPlan => ({
  id: "e1",
  lines,
  sides: sidesOf({ agent: "a" }),
  grader: exactGrader,
  tools: "deny",
  deadlineMs: 60_000,
  concurrency: 1,
  ...more,
});

const oneAgent = () => createFleet({ agents: { a: new Agent({ name: "a", model: "m" }) } });

test("each line is a run of its own, graded by what was expected", async () => {
  const fleet = testFleet(oneAgent(), { models: { m: priced(new ScriptedModel([say(" 1 "), say("3")]), 100) } });
  const { results, stopped } = await run(fleet, plan());
  expect(stopped).toBe("done");
  expect(results).toMatchObject([
    { line: 1, side: "a", agent: "a", status: "completed", output: " 1 ", score: 1, costMicroUsd: 100, unknownCostCalls: 0, turns: 1 },
    { line: 3, score: 0, output: "3" },
  ]);
});

test("an evaluation that is started again under its id pays for nothing twice", async () => {
  const model = new ScriptedModel([say("1"), say("2")]);
  const fleet = testFleet(oneAgent(), { models: { m: model } });
  const first = await run(fleet, plan());
  const again = await run(fleet, plan());
  expect(again.results).toEqual(first.results);
  expect(model.calls).toHaveLength(2);
});

test("I5 no tool runs unless that is asked for", async () => {
  const ran: string[] = [];
  const pay = tool({ name: "pay", description: "Pays.", parameters: z.object({}), execute: async () => ran.push("pay") });
  const model = new ScriptedModel([
    [functionCall("pay", {}, { callId: "c" })],
    say("1"),
    [functionCall("pay", {}, { callId: "c" })],
    say("2"),
  ]);
  const fleet = testFleet(createFleet({ agents: { a: new Agent({ name: "a", model: "m", tools: [pay] }) } }), { models: { m: model } });
  const { results } = await run(fleet, plan());
  expect(results.map(({ score }) => score)).toEqual([1, 1]);
  expect(ran).toEqual([]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("tools are switched off");
});

test("two sides answer the same lines, each with its own model", async () => {
  const models = { m: new ScriptedModel([say("1"), say("2")]), other: new ScriptedModel([say("1"), say("?")]) };
  const sides = sidesOf({ agent: "a", versus: "@other" });
  const { results } = await run(testFleet(oneAgent(), { models }), plan({ sides }));
  const tally = createTally(sides);
  for (const result of results) tally.add(result);
  const summary = tally.summary();
  expect(summary).toMatchObject({
    sides: [
      { side: "a", score: 1, graded: 2, completed: 2, unknownCostCalls: 2 },
      { side: "b", model: "other", score: 0.5, graded: 2 },
    ],
    comparison: { aBetter: 1, bBetter: 0, equal: 1 },
  });
  expect(drawSummary(summary).join("\n")).toMatch(/^ +a +a@other\nversion +0 +0\nscore +1\.000 +0\.500\n/);
  expect(drawSummary(summary).join("\n")).toContain("2 calls of unknown cost");
});

test("a run that fails scores nothing, and the others go on", async () => {
  const model = failing(new ScriptedModel([say("2")]), new Set([1]));
  const { results } = await run(testFleet(oneAgent(), { models: { m: model } }), plan());
  expect(results).toMatchObject([{ status: "failed", score: 0, why: expect.stringContaining("MODEL_KEY_REJECTED") }, { score: 1 }]);
});

test("I7 no line is begun once the answers cost as much as was allowed, or one has a cost that nobody knows", async () => {
  const priceless = testFleet(oneAgent(), { models: { m: new ScriptedModel([say("1")]) } });
  expect(await run(priceless, plan({ maxCostMicroUsd: 1_000 }))).toMatchObject({ stopped: "cost-unknown", results: [{ line: 1 }] });
  const dear = testFleet(oneAgent(), { models: { m: priced(new ScriptedModel([say("1")]), 1_000) } });
  const { results, stopped } = await run(dear, plan({ maxCostMicroUsd: 1_000 }));
  expect(stopped).toBe("max-cost");
  expect(results).toHaveLength(1);
});

test("a judge is an agent of the fleet: asked once for each answer, and paid", async () => {
  const judge = new Agent({ name: "judge", model: "j", outputType: z.object({ score: z.number(), why: z.string() }) });
  const agents = { a: new Agent({ name: "a", model: "m" }), judge };
  const verdicts = [say('{"score":0.5,"why":"half"}'), say('{"score":7,"why":"?"}')];
  const [m, j] = [new ScriptedModel([say("1"), say("2")]), new ScriptedModel(verdicts)];
  const fleet = testFleet(createFleet({ agents }), { models: { m: priced(m, 100), j: priced(j, 10) } });
  const grader = judgeGrader(untyped(fleet), "judge");
  const { results } = await run(fleet, plan({ grader }));
  expect(results[0]).toMatchObject({ score: 0.5, why: "half", costMicroUsd: 110 });
  expect(results[1]).not.toHaveProperty("score");
  expect(results[1]?.why).toContain("not graded");
  await run(fleet, plan({ grader }));
  expect(j.calls).toHaveLength(2);
});

test("schemas and functions grade, and what is no score is refused", async () => {
  const [line] = lines;
  if (line === undefined) throw new Error("no line");
  const result = (output: unknown) => ({ status: "completed", runId: "r", agent: "a", output, usage: {} }) as never;
  const schema = schemaGrader({ type: "object", properties: { n: { type: "number" } }, required: ["n"] });
  expect(await schema(result({ n: 1 }), line, {})).toEqual({ score: 1 });
  expect(await schema(result({ n: "1" }), line, {})).toMatchObject({ score: 0, why: expect.stringContaining("n:") });
  expect(await functionGrader(() => true)(result("1"), line, {})).toEqual({ score: 1 });
  expect(await functionGrader(async () => 0.25)(result("1"), line, {})).toEqual({ score: 0.25 });
  await expect(Promise.resolve(functionGrader(() => 2)(result("1"), line, {}))).rejects.toMatchObject({ code: "INPUT_INVALID" });
  expect(await exactGrader(result({ b: 1, a: 2 }), { ...line, expected: { a: 2, b: 1 } }, {})).toEqual({ score: 1 });
});

test("a line that cannot be read is named, and a dataset without lines is refused", () => {
  expect(() => parseDataset('{"input":"a"}\n{"question":"b"}', "d.jsonl")).toThrow(expect.objectContaining({ at: "d.jsonl:2" }));
  expect(() => parseDataset("not json", "d.jsonl")).toThrow(expect.objectContaining({ at: "d.jsonl:1" }));
  expect(() => parseDataset('{"input":1}', "d.jsonl")).toThrow("Expected a valid input: expected a text, a list of items, or an object.");
  expect(() => parseDataset("\n", "d.jsonl")).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
});

test("an evaluation passes only whole and above its score", () => {
  const side = { side: "a", agent: "a", versions: [], runs: 2, completed: 2, graded: 2, knownMicroUsd: 0, unknownCostCalls: 0 } as const;
  expect(exitOf({ sides: [{ ...side, score: 0.9 }] }, 2, true, 0.9)).toBe(0);
  expect(exitOf({ sides: [{ ...side, score: 0.89 }] }, 2, true, 0.9)).toBe(1);
  expect(exitOf({ sides: [{ ...side, score: 1, graded: 1 }] }, 2, true, 0.9)).toBe(3);
  expect(exitOf({ sides: [{ ...side, score: 1 }] }, 2, false)).toBe(3);
  expect(exitOf({ sides: [{ ...side, graded: 0 }] }, 2, true)).toBe(1);
});

test("a side is an agent, a model, or both", () => {
  expect(sidesOf({ agent: "a", model: "m", versus: "b" })).toMatchObject([
    { agent: "a", model: "m" },
    { side: "b", agent: "b" },
  ]);
  expect(sidesOf({ agent: "a", versus: "b@p/m@2" })[1]).toMatchObject({ agent: "b", model: "p/m@2" });
  expect(() => sidesOf({ agent: "a", versus: "a" })).toThrow(expect.objectContaining({ code: "USAGE" }));
});

test("two versions are compared by the results of the first, whatever the order of the lines now", async () => {
  const answering = async (version: string, answers: string[], id: string, given = lines) => {
    const agents = { a: { agent: new Agent({ name: "a", model: "m" }), version } };
    const fleet = testFleet(createFleet({ agents }), { models: { m: new ScriptedModel(answers.map(say)) } });
    return (await run(fleet, plan({ id, lines: given }))).results;
  };
  const before = await answering("v1", ["1", "wrong"], "e1");
  const moved = parseDataset(
    '{"input":"three","expected":"3"}\n{"expected":"2","input":"two"}\n{"input":"one","expected":"1"}\n{"input":"two","expected":"2"}',
    "d.jsonl",
  );
  const now = await answering("v2", ["3", "2", "wrong", "2"], "e2", moved);
  const file = `${before.map((result) => JSON.stringify(result)).join("\n")}\n`;
  const baseline = parseBaseline(file, "eval-e1.jsonl", moved);
  expect(baseline).toMatchObject({ side: { side: "b", agent: "a" }, strangers: 0 });
  const tally = createTally([...plan().sides, baseline.side]);
  for (const result of [...baseline.results, ...now]) tally.add(result);
  const summary = tally.summary();
  expect(summary).toMatchObject({
    sides: [
      { side: "a", versions: ["v2"], graded: 4, score: 0.75 },
      { side: "b", versions: ["v1"], graded: 2, score: 0.5 },
    ],
    // "two" stands in the dataset twice now, and is compared once.
    comparison: { aBetter: 1, bBetter: 1, equal: 0 },
  });
  expect(drawSummary(summary).join("\n")).toMatch(/^version +v2 +v1$/m);
});

test("results of lines that have changed since are not compared, and a file that holds none is refused", async () => {
  const { results } = await run(testFleet(oneAgent(), { models: { m: new ScriptedModel([say("1"), say("2")]) } }), plan());
  const file = results.map((result) => JSON.stringify(result)).join("\n");
  const changed = parseDataset('{"input":"one","expected":"uno"}\n{"input":"two","expected":"2"}', "d.jsonl");
  expect(parseBaseline(file, "b", changed)).toMatchObject({ strangers: 1, results: [{ line: 2, side: "b", score: 1 }] });
  expect(() => parseBaseline("\n", "b", lines)).toThrow(expect.objectContaining({ code: "INPUT_INVALID", at: "--baseline" }));
  expect(() => parseBaseline(`${file}\n{"side":"a"}`, "b", lines)).toThrow(expect.objectContaining({ code: "INPUT_INVALID", at: "b:3" }));
  expect(() => parseBaseline("nonsense", "b", lines)).toThrow(expect.objectContaining({ code: "INPUT_INVALID", at: "b:1" }));
});
