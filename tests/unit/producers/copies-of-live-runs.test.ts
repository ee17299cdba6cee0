/** Second chances of runs that are live, or that stand in a conversation. */
import { Agent, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { failing, handOff, pay, twoHops } from "../../support/paying.ts";
import { call, say } from "../../support/script.ts";

test("a run that waits for a person can be forked, and goes on waiting as if nothing had been", async () => {
  const ran: string[] = [];
  const execute = async (): Promise<string> => {
    ran.push("risky");
    return "did it";
  };
  const risky = tool({ name: "risky", description: "x", parameters: z.object({}), needsApproval: true, execute });
  const a = new Agent({ name: "a", model: "m", tools: [risky] });
  const models = { m: new ScriptedModel([call("risky"), say("old")]), other: new ScriptedModel([say("I would not.")]) };
  const fleet = testFleet(createFleet({ agents: { a } }), { models });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const fork = await run.fork({ turn: 1, model: "other" });
  await fleet.settle();
  expect(await fork.output()).toBe("I would not.");
  const info = await fleet.info(run.id);
  expect(info).toMatchObject({ status: "suspended", suspension: "approval", children: [{ kind: "fork", runId: fork.id }] });
  await run.approve(info.approvals[0]?.callId ?? "");
  await fleet.settle();
  expect(await run.output()).toBe("old");
  expect(ran).toEqual(["risky"]);
});

test("another agent may take over where the turn is the first of a hop", async () => {
  const script = new ScriptedModel([handOff(), pay(5), say("old"), say("by a")]);
  const fleet = twoHops([], script);
  const run = await fleet.submit("a", "go", { context: { marks: 0 } });
  await fleet.settle();
  const fork = await run.fork({ turn: 2, agent: "a" });
  await fleet.settle();
  expect(await fork.result()).toMatchObject({ status: "completed", agent: "a", output: "by a" });
});

test("a retry speaks in its source's conversation, a fork is shown it and leaves nothing there", async () => {
  const script = new ScriptedModel([say("first answer"), say("second answer"), say("another answer")]);
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: failing(script, new Set([2])) } });
  const options = { tenant: "acme", conversation: "talk" };
  await fleet.submit("a", "first question", options);
  await fleet.settle();
  const run = await fleet.submit("a", "second question", options);
  await fleet.settle();
  expect((await fleet.info(run.id)).status).toBe("failed");
  const retry = await run.retry();
  await fleet.settle();
  expect(await retry.output()).toBe("second answer");
  const said = async (): Promise<string> => JSON.stringify(await fleet.conversations.items("talk", { tenant: "acme" }));
  const spoken = await said();
  expect(spoken).toMatch(/first question.*first answer.*second question.*second answer/);
  const fork = await retry.fork({ turn: 1 });
  await fleet.settle();
  expect(await fork.output()).toBe("another answer");
  const shown = JSON.stringify(script.calls[2]?.request.input);
  expect(shown).toMatch(/first question.*first answer.*second question/);
  expect(shown).not.toContain("second answer");
  expect(await said()).toBe(spoken);
});
