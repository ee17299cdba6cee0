/** The SDK's session on a fleet's conversation, used by plain `Runner.run` and beside the fleet's own runs. */
import { Agent, type AgentInputItem, run } from "@openai/agents";
import { assistantMessage, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { createFleet, createSession } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { say } from "../../support/script.ts";

const user = (content: string): AgentInputItem => ({ type: "message", role: "user", content });

function setup() {
  const fleetModel = new ScriptedModel([say("from the fleet")]);
  const fleet = testFleet(createFleet({ agents: { a: new Agent({ name: "a", model: "m" }) } }), { models: { m: fleetModel } });
  return { fleet, fleetModel, session: createSession({ producer: fleet, conversation: "talk", clock: fleet.clock }) };
}

test("plain runs and the fleet's runs speak in one conversation", async () => {
  const { fleet, fleetModel, session } = setup();
  const model = new ScriptedModel([[assistantMessage("plain")], [assistantMessage("plain again")]]);
  const agent = new Agent({ name: "plain", model });
  await run(agent, "first", { session });
  await fleet.complete("a", "second", { conversation: "talk" });
  await run(agent, "third", { session });
  const said = (input: unknown): string[] => JSON.stringify(input).match(/first|plain|second|from the fleet|third/g) ?? [];
  expect(said(fleetModel.calls[0]?.request.input)).toEqual(["first", "plain", "second"]);
  expect(said(model.calls[1]?.request.input)).toEqual(["first", "plain", "second", "from the fleet", "third"]);
  expect(said(await session.getItems())).toEqual(["first", "plain", "second", "from the fleet", "third", "plain"]);
  expect(await session.getSessionId()).toBe("talk");
});

test("items are popped from the newest turn on, the last ones are shown in their order, and nothing is left after a clear", async () => {
  const { session } = setup();
  await session.addItems([user("1"), user("2")]);
  await session.addItems([user("3")]);
  await session.addItems([]);
  expect(await session.getItems(2)).toEqual([user("2"), user("3")]);
  expect([await session.popItem(), await session.popItem()]).toEqual([user("3"), user("2")]);
  expect(await session.getItems()).toEqual([user("1")]);
  expect([await session.popItem(), await session.popItem()]).toEqual([user("1"), undefined]);
  await session.addItems([user("4")]);
  await session.clearSession();
  expect(await session.getItems()).toEqual([]);
});

test("while a run of the fleet has the turn a session reads, and its writes are refused", async () => {
  const { fleet, session } = setup();
  await session.addItems([user("1")]);
  await fleet.submit("a", "2", { conversation: "talk" });
  const busy = { code: "CONVERSATION_BUSY" };
  await expect(session.addItems([user("3")])).rejects.toMatchObject(busy);
  await expect(session.popItem()).rejects.toMatchObject(busy);
  await expect(session.clearSession()).rejects.toMatchObject(busy);
  expect(await session.getItems()).toEqual([user("1")]);
  await fleet.settle();
  await session.addItems([user("3")]);
  expect(await session.getItems()).toHaveLength(4);
});

test("ids that no key can hold are refused at once", () => {
  const { fleet } = setup();
  expect(() => createSession({ producer: fleet, conversation: "a:b" })).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  expect(() => createSession({ producer: fleet, conversation: "a", tenant: "" })).toThrow(
    expect.objectContaining({ code: "INPUT_INVALID" }),
  );
});
