/** The example of docs/how-to/second-chances.md does what the page says. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { carryOn, wouldHaveSaid } from "../../../examples/second-chances/another-model.ts";
import { createFleet } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { failing, pay, paying } from "../../support/paying.ts";
import { say } from "../../support/script.ts";

test("docs/how-to/second-chances.md: failed runs are carried on, and another model is asked from a turn without a tool being run", async () => {
  const keys: string[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [paying(keys)] });
  const models = { m: failing(new ScriptedModel([pay(5), say("paid")]), new Set([2])), other: new ScriptedModel([say("I would wait.")]) };
  const fleet = testFleet(createFleet({ agents: { a } }), { models });
  const run = await fleet.submit("a", "pay");
  await fleet.settle();
  const [group] = await fleet.failures();
  expect(await carryOn(fleet, group?.code ?? "")).toBe(1);
  await fleet.settle();
  const { continuedAs = "" } = await fleet.info(run.id);
  expect(await fleet.run(continuedAs).output()).toBe("paid");
  const answer = wouldHaveSaid(fleet, continuedAs, 1, "other");
  await expect.poll(() => fleet.queue.size("default")).toBe(1);
  await fleet.settle();
  expect(await answer).toBe("I would wait.");
  expect(keys).toHaveLength(1);
});
