/** The example of docs/how-to/conversations.md does what the page says. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test, vi } from "vitest";
import { askTwice } from "../../../examples/conversations/ask.ts";
import { fleet } from "../../../examples/conversations/fleet.ts";
import { askHere, lookAfter } from "../../../examples/conversations/look-after.ts";
import { testFleet } from "../../../src/testing/index.ts";
import { say } from "../../support/script.ts";

test("docs/how-to/conversations.md: a fork has what was said first, the trimmed one what was said last, and a session speaks on", async () => {
  const tested = testFleet(fleet, { models: { "*": new ScriptedModel([say("I paid it back."), say("On Friday.")]) } });
  const answer = askTwice(tested);
  await tested.settle();
  await answer;
  const told = vi.spyOn(console, "error").mockImplementation(() => undefined);
  await lookAfter(tested);
  expect(told).toHaveBeenCalledWith("ticket-7", 2, 0);
  told.mockRestore();
  const textOf = async (id: string) => JSON.stringify(await tested.conversations.items(id, { tenant: "acme" }));
  expect(await textOf("ticket-7-b")).toMatch(/charged twice.*paid it back/);
  expect(await textOf("ticket-7")).toMatch(/^(?!.*charged twice).*On Friday/);
  const plain = new ScriptedModel([say("Paid on Friday.")]);
  expect(await askHere(tested, new Agent({ name: "plain", model: plain }))).toBe("Paid on Friday.");
  expect(JSON.stringify(plain.calls[0]?.request.input)).toMatch(/On Friday.*Sum up this ticket/);
  expect(await textOf("ticket-7")).toMatch(/On Friday.*Sum up this ticket.*Paid on Friday/);
});

test("docs/how-to/conversations.md: the second question is answered with the first and its answer in view", async () => {
  const model = new ScriptedModel([say("I paid it back."), say("On Friday.")]);
  const tested = testFleet(fleet, { models: { "*": model } });
  const answer = askTwice(tested);
  await tested.settle();
  expect(await answer).toBe("On Friday.");
  const asked = JSON.stringify(model.calls[1]?.request.input);
  for (const said of ["charged twice", "I paid it back.", "And when is the money back?"]) expect(asked).toContain(said);
});
