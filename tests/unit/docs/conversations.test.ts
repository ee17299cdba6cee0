/** The example of docs/how-to/conversations.md does what the page says. */
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { askTwice } from "../../../examples/conversations/ask.ts";
import { fleet } from "../../../examples/conversations/fleet.ts";
import { testFleet } from "../../../src/testing/index.ts";
import { say } from "../../support/script.ts";

test("docs/how-to/conversations.md: the second question is answered with the first and its answer in view", async () => {
  const model = new ScriptedModel([say("I paid it back."), say("On Friday.")]);
  const tested = testFleet(fleet, { models: { "*": model } });
  const answer = askTwice(tested);
  await tested.settle();
  expect(await answer).toBe("On Friday.");
  const asked = JSON.stringify(model.calls[1]?.request.input);
  for (const said of ["charged twice", "I paid it back.", "And when is the money back?"]) expect(asked).toContain(said);
});
