/** A run that goes round in circles is stopped before the next call or handoff, at the same place by every attempt. */
import { Agent, tool } from "@openai/agents";
import { functionCall, ScriptedModel, type ScriptedModelInput } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createReleaseFleet } from "../../../examples/stopping/fleet.ts";
import { cycleAtEnd } from "../../../src/agents/loops.ts";
import { createFleet, type RepeatLimits, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { dyingStore, once } from "../../support/dying-store.ts";
import { answer, call, say } from "../../support/script.ts";

const finding = (name: string, ran: string[]) =>
  tool({
    name,
    description: name,
    parameters: z.object({ order: z.string().nullable(), page: z.int().nullable() }),
    execute: async ({ order, page }) => {
      ran.push(`${name} ${order} ${page}`);
      return "nothing found";
    },
  });

const args = { order: "1842", page: 1 };
const times = (count: number, ...steps: ScriptedModelInput[]): ScriptedModelInput[] => Array.from({ length: count }, () => steps).flat();

function setup(
  script: readonly ScriptedModelInput[],
  { repeats, isAllowed = false }: { repeats?: RepeatLimits | "allowed"; isAllowed?: boolean } = {},
) {
  const ran: string[] = [];
  const find = finding("find", ran);
  const tools = [isAllowed ? toolPolicy(find, { repeats: "allowed" }) : find, finding("check", ran), finding("ask", ran)];
  const a = new Agent({ name: "a", model: "m", tools });
  const model = new ScriptedModel([...script]);
  const limits = { turns: 40, ...(repeats === undefined ? {} : { repeats }) };
  return { ran, model, fleet: testFleet(createFleet({ agents: { a: { agent: a, limits } } }), { models: { m: model } }) };
}

test("the same call a sixth time in a row ends the run before the call is made, and says so", async () => {
  const { fleet, ran, model } = setup(times(10, call("find", args)));
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const message = "find was called with the same arguments more than 5 times in a row.";
  expect(await run.result()).toMatchObject({ status: "failed", error: { code: "LOOP_DETECTED", message } });
  expect(ran).toHaveLength(5);
  expect(model.calls).toHaveLength(6);
  const loop = { id: "loop:0:m:0:5", kind: "calls", cycle: ["find"], rounds: 5 };
  const events = (await fleet.eventsOf(run.id)).slice(-2);
  expect(events).toMatchObject([{ type: "loop.detected", loop }, { type: "run.failed" }]);
});

test.each([2, 3])("a cycle of %i different calls is noticed when its sixth round begins", async (length) => {
  const steps = [call("find", args), call("check", args), call("ask", args)].slice(0, length);
  const { fleet, ran } = setup(times(10, ...steps));
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "LOOP_DETECTED" } });
  expect(ran).toHaveLength(5 * length);
});

test("arguments are compared by what they mean; other arguments are progress", async () => {
  const written = ['{"order":"1842","page":1}', '{"page":1,  "order":"1842"}', '{ "order": "1842", "page": 1.0 }'];
  const same = Array.from({ length: 8 }, (_, index) =>
    answer({ ...functionCall("find", {}, { callId: "c" }), arguments: written[index % 3] ?? "" }),
  );
  expect(await setup(same).fleet.complete("a", "go")).toMatchObject({ error: { code: "LOOP_DETECTED" } });
  const pages = Array.from({ length: 12 }, (_, page) => call("find", { order: "1842", page }));
  expect(await setup([...pages, say("done")]).fleet.complete("a", "go")).toMatchObject({ status: "completed" });
});

test("what an answer calls in parallel is counted one by one", async () => {
  const parallel = answer(...Array.from({ length: 6 }, (_, index) => functionCall("find", args, { callId: `c${index}` })));
  const { fleet, ran } = setup([parallel]);
  expect(await fleet.complete("a", "go")).toMatchObject({ error: { code: "LOOP_DETECTED" } });
  expect(ran).toEqual([]);
});

test("a tool that is meant to be asked again, an agent that may repeat itself, and higher limits go on", async () => {
  const polled = [...times(12, call("find", args)), say("ready")];
  expect(await setup(polled, { isAllowed: true }).fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(await setup(polled, { repeats: "allowed" }).fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(await setup(polled, { repeats: { calls: 12 } }).fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(await setup(polled, { repeats: { calls: 11 } }).fleet.complete("a", "go")).toMatchObject({ status: "failed" });
});

test("a policy of repeats leaves the policy of crashes as it was", () => {
  const ran: string[] = [];
  const both = toolPolicy(toolPolicy(finding("find", ran), { onCrash: "idempotent" }), { repeats: "allowed" });
  expect(Object.getOwnPropertySymbols(both).map((symbol) => Reflect.get(both, symbol))).toContainEqual({
    onCrash: "idempotent",
    repeats: "allowed",
  });
});

test("with `ask` a person lets the run go on, and the count begins anew; or ends it", async () => {
  const { fleet, ran } = setup(times(14, call("find", args)), { repeats: { onLoop: "ask" } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.status()).toMatchObject({ status: "suspended", suspension: "loop", error: { code: "LOOP_DETECTED" } });
  await expect(run.resolve(undefined, { type: "resample" })).rejects.toMatchObject({ code: "DECISION_NOT_OPEN" });
  await run.resolve(undefined, { type: "continue" });
  await fleet.settle();
  // The sixth call, and five more of a count that began behind it.
  expect(ran).toHaveLength(11);
  expect(await run.status()).toMatchObject({ status: "suspended", suspension: "loop" });
  await run.resolve(undefined, { type: "fail" });
  expect(await run.result()).toMatchObject({ status: "failed", error: { code: "LOOP_DETECTED" } });
});

test("I4: an attempt after a crash finds the loop at the same call, and what was allowed before stays allowed", async () => {
  const ran: string[] = [];
  const find = toolPolicy(finding("find", ran), { onCrash: "idempotent" });
  const a = new Agent({ name: "a", model: "m", tools: [find] });
  const model = new ScriptedModel([...times(9, call("find", args)), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, limits: { repeats: { onLoop: "ask" } } } } }), {
    models: { m: model },
    // The worker dies after the third answer, and again behind the allowed one.
    wrapStore: (store) =>
      dyingStore(once((operation, key) => operation === "after record" && key === "m:0:7"))(
        dyingStore(once((operation, key) => operation === "after record" && key === "m:0:2"))(store),
      ),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.status()).toMatchObject({ suspension: "loop", deaths: 0, turns: 6 });
  expect(model.calls).toHaveLength(6);
  await run.resolve(undefined, { type: "continue" });
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  expect(model.calls).toHaveLength(10);
  expect((await fleet.eventsOf(run.id)).filter(({ type }) => type === "loop.detected")).toHaveLength(1);
});

test("an agent used as a tool is stopped too, and the run says so", async () => {
  const ran: string[] = [];
  const inner = new Agent({ name: "inner", model: "n", tools: [finding("find", ran)] });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "inner", toolDescription: "looks" })] });
  const models = {
    m: new ScriptedModel([call("inner", { input: "x" }), say("never")]),
    n: new ScriptedModel(times(8, call("find", args))),
  };
  const fleet = testFleet(createFleet({ agents: { outer } }), { models });
  expect(await fleet.complete("outer", "go")).toMatchObject({ status: "failed", error: { code: "LOOP_DETECTED" } });
  expect(ran).toHaveLength(5);
});

function pingPong(repeats: RepeatLimits, script: ScriptedModelInput[] = []) {
  const a: Agent = new Agent({ name: "a", model: "m" });
  const b: Agent = new Agent({ name: "b", model: "m", handoffs: [a] });
  a.handoffs = [b];
  const endless = Array.from({ length: 20 }, (_, index) => call(index % 2 === 0 ? "transfer_to_b" : "transfer_to_a", {}, `c${index}`));
  const model = new ScriptedModel(script.length > 0 ? script : endless);
  const agents = { a: { agent: a, limits: { repeats } }, b: { agent: b, limits: { repeats } } };
  return testFleet(createFleet({ agents }), { models: { m: model } });
}

test("handoffs that go round a third time end the run before the handoff, and say between whom", async () => {
  const fleet = pingPong({});
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const message = "The run went round a → b more than 3 times in a row.";
  expect(await run.result()).toMatchObject({ status: "failed", error: { code: "LOOP_DETECTED", message } });
  expect(await run.status()).toMatchObject({ hop: 5, recentAgents: ["a", "b", "a", "b", "a"] });
  expect((await fleet.eventsOf(run.id)).map(({ type }) => type)).toContain("loop.detected");
});

test("with `ask` a handoff in a circle goes on when a person says so, and counts anew", async () => {
  const fleet = pingPong({ handoffs: 1, onLoop: "ask" });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.status()).toMatchObject({ suspension: "loop", hop: 1 });
  await run.resolve(undefined, { type: "continue" });
  await fleet.settle();
  expect(await run.status()).toMatchObject({ suspension: "loop", hop: 3 });
});

test("agents that hand back and forth as they should are left alone", async () => {
  const script = [call("transfer_to_b"), call("transfer_to_a"), call("transfer_to_b"), call("transfer_to_a"), say("done")];
  expect(await pingPong({}, script).complete("a", "go")).toMatchObject({ status: "completed" });
});

test("a cycle is the shortest that repeats, and a sequence that is too short is none", () => {
  expect(cycleAtEnd(["a", "a", "a"], 2)).toBe(1);
  expect(cycleAtEnd(["a", "a"], 2)).toBeUndefined();
  expect(cycleAtEnd(["x", "a", "b", "a", "b", "a"], 2)).toBe(2);
  expect(cycleAtEnd("abcabca".split(""), 2)).toBe(3);
  expect(cycleAtEnd("abcdabcda".split(""), 2)).toBeUndefined();
});

test.each([{ calls: 0 }, { calls: 101 }, { handoffs: 11 }, { handoffs: 1.5 }, { onLoop: "maybe" as "ask" }])(
  "limits that make no sense are refused at the start: %o",
  (repeats) => {
    const a = new Agent({ name: "a", model: "m" });
    const at = `agents.a.limits.repeats.${Object.keys(repeats)[0]}`;
    expect(() => createFleet({ agents: { a: { agent: a, limits: { repeats } } } })).toThrowError(
      expect.objectContaining({ code: "AGENT_INVALID", at }),
    );
  },
);

test("docs/how-to/stopping.md: a build that is asked for again and again is no loop", async () => {
  const states = [...Array.from({ length: 8 }, () => "running"), "done"];
  const release = createReleaseFleet({ state: async () => states.shift() ?? "done" });
  const script = [...times(9, call("build_state", { build: "17" })), say("The build is done.")];
  const fleet = testFleet(release, { models: { "*": new ScriptedModel(script) } });
  expect(await fleet.complete("release", "go")).toMatchObject({ status: "completed", output: "The build is done." });
  expect(states).toEqual([]);
});
