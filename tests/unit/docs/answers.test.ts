/** The examples of docs/how-to/guardrails.md and docs/how-to/structured-outputs.md do what the pages say. */
import { ScriptedModel, type ScriptedModelInput } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { fleet } from "../../../examples/answers/fleet.ts";
import { ask, refund } from "../../../examples/answers/submit.ts";
import { testFleet } from "../../../src/testing/index.ts";
import { call, say } from "../../support/script.ts";

function setup(...answers: ScriptedModelInput[]) {
  const model = new ScriptedModel(answers);
  const tested = testFleet(fleet, { models: { "*": model } });
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    // A rejection is the caller's to see.
    const ended = Promise.allSettled([work]);
    await tested.settle();
    await ended;
    return work;
  };
  return { model, tested, settled };
}

const fine = say('{"breaks":false,"reason":"It is about an order."}');

test("docs/how-to/guardrails.md: the model reads a masked result, and an answer with an address in it is blocked", async () => {
  const { model, tested, settled } = setup(
    fine,
    call("look_up_order", { order: 7 }),
    say("Ask ann@example.com, https://help.example.com/7"),
  );
  expect(await settled(ask(tested, "Where is order 7?"))).toBe('Stopped by personal-data (output): {"email":1}');
  const told = JSON.stringify(model.calls[2]?.request.input);
  expect(told).toContain("[email]");
  expect(told).not.toContain("ann@example.com");
});

test("docs/how-to/guardrails.md: a question off the topic is stopped before the agent's model is paid", async () => {
  const { model, tested, settled } = setup(say('{"breaks":true,"reason":"It is about the weather."}'));
  expect(await settled(ask(tested, "Will it rain?"))).toBe('Stopped by on-topic (input): {"reason":"It is about the weather."}');
  model.assertComplete();
});

test("docs/how-to/structured-outputs.md: the value comes back typed, and the last answer of a run that fails is there to read", async () => {
  const good = setup(say('Sure:\n```json\n{"refundCents":100,"reply":"Paid back."}\n```'));
  expect(await good.settled(refund(good.tested, 7))).toBe(100);
  const bad = setup(say("no"), say("no"), say('{"refundCents":"all of it"}'));
  await expect(bad.settled(refund(bad.tested, 7))).rejects.toThrow('The last answer was: {"refundCents":"all of it"}');
});
