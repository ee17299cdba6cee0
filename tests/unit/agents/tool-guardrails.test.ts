/** Guardrails around a tool's call: the SDK's three behaviours, on the first attempt and on a replay. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { createFleet, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted, dyingStore, once } from "../../support/dying-store.ts";
import { call, say } from "../../support/script.ts";

type Behavior = { type: "allow" } | { type: "rejectContent"; message: string } | { type: "throwException" };
const says = (name: string, behavior: Behavior) => ({ name, run: async () => ({ behavior, outputInfo: { by: name } }) });

const agentWith = (ran: string[], extra: object) =>
  new Agent({ name: "a", model: "m", tools: [toolPolicy(counted("act", ran, extra), { onCrash: "idempotent" })] });

/** Dies once the model has answered after the tool, so that all before is replayed. */
const diesLate = () => dyingStore(once((operation, key) => operation === "after record" && key === "m:0:1"));

test.each([false, true])("allow: the call runs and its result reaches the model (replayed: %s)", async (replayed) => {
  const ran: string[] = [];
  const allow = [says("fine", { type: "allow" })];
  const model = new ScriptedModel([call("act"), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a: agentWith(ran, { inputGuardrails: allow, outputGuardrails: allow }) } }), {
    models: { m: model },
    ...(replayed ? { wrapStore: diesLate() } : {}),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["act"]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("act done");
});

test.each([
  ["inputGuardrails", [], false],
  ["inputGuardrails", [], true],
  ["outputGuardrails", ["act"], false],
  ["outputGuardrails", ["act"], true],
])("rejectContent of %s: the model reads the message instead (ran %j, replayed: %s)", async (place, runs, replayed) => {
  const ran: string[] = [];
  const reject = [says("masked", { type: "rejectContent", message: "not for you" })];
  const model = new ScriptedModel([call("act"), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a: agentWith(ran, { [place]: reject }) } }), {
    models: { m: model },
    ...(replayed ? { wrapStore: diesLate() } : {}),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(ran).toEqual(runs);
  expect(model.calls).toHaveLength(2);
  const told = JSON.stringify(model.calls[1]?.request.input);
  expect(told).toContain("not for you");
  expect(told).not.toContain("act done");
  expect((await fleet.store.items(run.id)).join("")).not.toContain("act done");
});

test.each([
  ["inputGuardrails", "tool-input", []],
  ["outputGuardrails", "tool-output", ["act"]],
])("throwException of %s blocks the run", async (place, kind, runs) => {
  const ran: string[] = [];
  const stop = [says("stop", { type: "throwException" })];
  const fleet = testFleet(createFleet({ agents: { a: agentWith(ran, { [place]: stop }) } }), {
    models: { m: new ScriptedModel([call("act"), say("never")]) },
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "blocked", guardrail: { name: "stop", kind, info: { by: "stop" } } });
  expect(ran).toEqual(runs);
});

test("I5: one that changes its mind between attempts does not deny an effect that has happened", async () => {
  const ran: string[] = [];
  let asked = 0;
  const moody = {
    name: "moody",
    run: async () => ({ behavior: asked++ === 0 ? { type: "allow" } : { type: "rejectContent", message: "it did not run" } }),
  };
  const model = new ScriptedModel([call("act"), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a: agentWith(ran, { inputGuardrails: [moody] }) } }), {
    models: { m: model },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key.startsWith("t:"))),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["act"]);
  expect(asked).toBe(1);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("act done");
});
