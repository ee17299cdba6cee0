/** An agent's input schema: what is refused at submit, what a worker refuses, and what the model reads. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createFleet } from "../../../src/index.ts";
import { createRunProducer } from "../../../src/producers/run-producer.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { call, say } from "../../support/script.ts";

const inputSchema = z.strictObject({ order: z.int().positive(), note: z.string().max(20).optional() });

function setup(model = new ScriptedModel([say("done")])) {
  const clerk = new Agent({ name: "clerk", model: "m" });
  const opener = new Agent({ name: "opener", model: "m", handoffs: [clerk] });
  const fleet = testFleet(createFleet({ agents: { clerk: { agent: clerk, input: inputSchema }, opener } }), { models: { m: model } });
  return { fleet, model };
}

test("the model reads the value as JSON", async () => {
  const { fleet, model } = setup();
  expect(await fleet.complete("clerk", { order: 7, note: "soon" })).toMatchObject({ status: "completed" });
  expect(model.calls[0]?.request.input).toMatchObject([{ role: "user", content: '{"order":7,"note":"soon"}' }]);
});

test.each([
  [{ order: -7 }, "input.order"],
  [{ order: 7, note: "x".repeat(21) }, "input.note"],
  [{ order: 7, extra: "secret words" }, "input"],
  [{}, "input.order"],
  ["7", "input"],
  [[{ role: "user", content: "7" }], "input"],
  [undefined, "input"],
])("%j is refused at submit, and its values are not quoted", async (input, at) => {
  const { fleet, model } = setup();
  const refused = fleet.submit("clerk", input as { order: number });
  await expect(refused).rejects.toMatchObject({ code: "INPUT_INVALID", at, message: expect.stringContaining("agent clerk") });
  await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining("secret words") });
  expect(model.calls).toHaveLength(0);
});

test("what JSON cannot carry is refused, though the schema would take it", async () => {
  const agent = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a: { agent, input: z.object({ when: z.date() }) } } }), { models: {} });
  await expect(fleet.submit("a", { when: new Date(0) })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "input.when" });
});

test("submitMany refuses the one and takes the others", async () => {
  const { fleet } = setup();
  const answers: unknown[] = [];
  const requests = [0, 1].map((order) => ({ agent: "clerk" as const, input: { order } }));
  for await (const answer of fleet.submitMany(requests)) answers.push(answer);
  expect(answers).toMatchObject([
    { index: 0, error: { code: "INPUT_INVALID", at: "runs[0].input.order" } },
    { index: 1, run: { id: expect.any(String) } },
  ]);
});

test("the order of members does not make another input of the same idempotency key, which is by value", async () => {
  const { fleet } = setup();
  const first = await fleet.submit("clerk", { order: 1, note: "n" }, { idempotencyKey: "k" });
  expect((await fleet.submit("clerk", { order: 1, note: "n" }, { idempotencyKey: "k" })).id).toBe(first.id);
  await expect(fleet.submit("clerk", { order: 2 }, { idempotencyKey: "k" })).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
});

test("a handoff is not held to the schema: its conversation is the agents' own", async () => {
  const { fleet } = setup(new ScriptedModel([call("transfer_to_clerk"), say("done")]));
  expect(await fleet.complete("opener", "prose")).toMatchObject({ status: "completed", agent: "clerk" });
});

test("an object for an agent without a schema is refused where the agent is known", async () => {
  const { fleet } = setup();
  await expect(fleet.submit("opener", { order: 1 } as never)).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

test("a schema that is none is refused when the fleet is made", () => {
  const agent = new Agent({ name: "a", model: "m" });
  expect(() => createFleet({ agents: { a: { agent, input: {} as typeof inputSchema } } })).toThrow("Zod schema");
});

describe("a producer without the agent's code", () => {
  async function submitted(input: string | object) {
    const { fleet, model } = setup();
    const { store, live, queue, clock } = fleet;
    const entry = { v: 1, name: "clerk", queue: "default", version: "0", description: "", seenAtMs: 0 } as const;
    const worker = { v: 1, workerId: "w", host: "h", pid: 1, queues: ["default"], agents: ["clerk"], slots: 1, busy: 0 } as const;
    await store.announce({ ...worker, queues: ["default"], agents: ["clerk"], startedAtMs: 0, seenAtMs: 0, release: "0" }, [entry]);
    const run = await createRunProducer({ store, live, queue, clock }).submit("clerk", input as Record<string, unknown>);
    await fleet.settle();
    return { result: await run.result(), calls: model.calls.length };
  }

  test.each([{ order: 7 }, '{"order":7}', [{ role: "user", content: '{"order":7}' }]])("may give %j", async (input) => {
    expect(await submitted(input)).toMatchObject({ result: { status: "completed" }, calls: 1 });
  });

  test.each([
    [{ order: "7" }, "input.order: Invalid input: expected number, received string"],
    ["seven", "expected object, received string"],
    ['{"order":7,"extra":1}', "Unrecognized key"],
    [[{ role: "user", content: [{ type: "input_image", image: "data:," }] }], "expected object, received undefined"],
  ])("that gives %j has a run that fails with the reason before a model is paid", async (input, reason) => {
    expect(await submitted(input)).toMatchObject({
      result: { status: "failed", error: { code: "INPUT_INVALID", message: expect.stringContaining(reason) } },
      calls: 0,
    });
  });
});
