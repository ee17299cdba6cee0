/** The example of docs/how-to/costs.md does what the page says. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { bill } from "../../../examples/costs/bill.ts";
import { createFleet } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { say } from "../../support/script.ts";

test("docs/how-to/costs.md: the bill has a line for each agent and model, and says what is unknown", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([say("done")]) } });
  await fleet.complete("a", "go", { tenant: "acme" });
  const { from, to } = await fleet.costs();
  expect(await bill(fleet, "acme", from, to)).toEqual(["a with m: 1 calls, unknown", "calls of unknown cost: 1"]);
});
