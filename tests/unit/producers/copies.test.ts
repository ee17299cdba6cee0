/** Forks and replays: copies that go another way, and do nothing twice unless told to. */
import { Agent, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { dyingStore, once } from "../../support/dying-store.ts";
import { handOff, pay, paying, twoHops } from "../../support/paying.ts";
import { answer, call, say } from "../../support/script.ts";

test("a fork goes on from a turn with another model, and a call that its source made is answered from it", async () => {
  const keys: string[] = [];
  const script = new ScriptedModel([handOff(), call("mark"), pay(5), say("old answer")]);
  const other = new ScriptedModel([pay(5), pay(7), say("new answer")]);
  const fleet = twoHops(keys, script, { other });
  const run = await fleet.submit("a", "go", { context: { marks: 0 } });
  await fleet.settle();
  expect(await run.output()).toBe("old answer");
  const fork = await run.fork({ turn: 3, model: "other" });
  await fleet.settle();
  expect(await fork.result()).toMatchObject({ status: "completed", agent: "b", output: "new answer", usage: { requests: 3 } });
  expect(keys).toHaveLength(1);
  const [first, , third] = other.calls;
  expect(JSON.stringify(first?.request.input)).toContain("marked 1");
  expect(JSON.stringify(first?.request.input)).not.toContain("paid 5");
  expect(JSON.stringify(third?.request.input)).toContain("paid 5");
  expect(JSON.stringify(third?.request.input)).toContain("that run did not make this call");
  const events = await fleet.eventsOf(fork.id);
  expect(events.filter(({ type }) => type.startsWith("tool."))).toMatchObject([
    { type: "tool.completed", tool: "pay", recorded: true },
    { type: "tool.denied", tool: "pay", because: "not-recorded" },
  ]);
  expect(events.flatMap((event) => (event.type === "turn.completed" ? [event.turn] : []))).toEqual([3, 4, 5]);
  expect(await fleet.info(run.id)).toMatchObject({ status: "completed", children: [{ kind: "fork", runId: fork.id }] });
});

test("a fork under another model is shown neither what its own source thought nor the hosted calls that it led to", async () => {
  const thought = { type: "reasoning" as const, id: "rs_1", content: [{ type: "input_text" as const, text: "Hm" }] };
  const search = (id: string) => ({ type: "hosted_tool_call" as const, name: "web_search_call", id, status: "completed" });
  const [payment] = pay(5);
  const said = answer(search("ws_free"), thought, search("ws_bound"), ...(payment === undefined ? [] : [payment]));
  const other = new ScriptedModel([say("new answer")]);
  const fleet = twoHops([], new ScriptedModel([handOff(), said, say("old answer")]), { other });
  const run = await fleet.submit("a", "go", { context: { marks: 0 } });
  await fleet.settle();
  await run.fork({ turn: 3, model: "other" });
  await fleet.settle();
  const shown = JSON.stringify(other.calls[0]?.request.input);
  expect(shown).toContain("paid 5");
  expect(shown).toContain("ws_free");
  expect(shown).not.toMatch(/ws_bound|rs_1/);
});

test("a fork of an earlier hop begins with that hop's transcript and context, and its mode survives handoffs", async () => {
  const keys: string[] = [];
  const script = new ScriptedModel([handOff(), call("mark"), pay(5), say("old"), handOff(), call("mark"), pay(5), say("new")]);
  const fleet = twoHops(keys, script);
  const run = await fleet.submit("a", "go", { context: { marks: 0 } });
  await fleet.settle();
  const fork = await run.fork({ turn: 1, tools: "deny" });
  await fleet.settle();
  expect(await fork.output()).toBe("new");
  expect(keys).toHaveLength(1);
  expect((await fleet.eventsOf(fork.id)).filter(({ type }) => type === "tool.denied")).toHaveLength(2);
  expect(JSON.stringify(script.calls[7]?.request.input)).toContain("tools are switched off");
  expect(script.calls[4]?.request.input).toEqual(script.calls[0]?.request.input);
});

test("a fork with live tools runs them under keys of its own", async () => {
  const keys: string[] = [];
  const fleet = twoHops(keys, new ScriptedModel([handOff(), pay(5), say("old"), pay(5), say("one"), pay(5), say("two")]));
  const run = await fleet.submit("a", "go", { context: { marks: 0 } });
  await fleet.settle();
  const one = await run.fork({ turn: 2, tools: "live" });
  await fleet.settle();
  const two = await run.fork({ turn: 2, tools: "live" });
  await fleet.settle();
  expect([await one.output(), await two.output()]).toEqual(["one", "two"]);
  expect(new Set(keys).size).toBe(3);
  expect(keys.every((key) => key.startsWith(`${run.id}/`))).toBe(true);
});

test("a replay starts anew with another input, and its tools are answered from the source", async () => {
  const keys: string[] = [];
  const script = new ScriptedModel([handOff(), pay(5), say("old"), handOff(), pay(5), say("new")]);
  const fleet = twoHops(keys, script);
  const run = await fleet.submit("a", "go", { context: { marks: 3 } });
  await fleet.settle();
  const replay = await run.replay({ input: "go elsewhere", context: { marks: 9 } });
  await fleet.settle();
  expect(await replay.output()).toBe("new");
  expect(keys).toHaveLength(1);
  expect(JSON.stringify(script.calls[3]?.request.input)).toContain("go elsewhere");
  expect(await fleet.info(replay.id)).toMatchObject({ origin: { kind: "replay", hop: 0, turn: 1 }, tools: "recorded", entryAgent: "a" });
});

test("nobody is asked to approve a call that does not run", async () => {
  const ran: string[] = [];
  const risky = tool({
    name: "risky",
    description: "x",
    parameters: z.object({}),
    needsApproval: true,
    execute: async () => {
      ran.push("risky");
      return "did it";
    },
  });
  const a = new Agent({ name: "a", model: "m", tools: [risky] });
  const script = new ScriptedModel([call("risky"), say("old"), call("risky"), say("new")]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: script } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const [approval] = (await fleet.info(run.id)).approvals;
  await run.approve(approval?.callId ?? "");
  await fleet.settle();
  expect(await run.output()).toBe("old");
  const replay = await run.replay();
  await fleet.settle();
  expect(await replay.output()).toBe("new");
  expect(ran).toEqual(["risky"]);
  expect(JSON.stringify(script.calls[3]?.request.input)).toContain("did it");
});

test("tools of a nested agent are held, too", async () => {
  const keys: string[] = [];
  const inner = new Agent({ name: "inner", model: "in", tools: [paying(keys)] });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const fleet = testFleet(createFleet({ agents: { outer } }), {
    models: {
      m: new ScriptedModel([
        [functionCall("ask", { input: "x" }, { callId: "c" })],
        say("old"),
        [functionCall("ask", { input: "x" }, { callId: "c" })],
        say("new"),
      ]),
      in: new ScriptedModel([pay(5), say("inner"), pay(5), say("inner again")]),
    },
  });
  const run = await fleet.submit("outer", "go");
  await fleet.settle();
  expect(await run.output()).toBe("old");
  const replay = await run.replay({ tools: "deny" });
  await fleet.settle();
  expect(await replay.output()).toBe("new");
  expect(keys).toHaveLength(1);
});

test("a fork that died in the middle replays what it had made, its denied calls included", async () => {
  const keys: string[] = [];
  const other = new ScriptedModel([pay(7), say("new")]);
  const b = new Agent({ name: "b", model: "m", tools: [paying(keys)] });
  let armed = false;
  const fleet = testFleet(createFleet({ agents: { b } }), {
    models: { m: new ScriptedModel([pay(5), say("old")]), other },
    wrapStore: dyingStore(once((operation, key) => armed && operation === "after record" && key.startsWith("t:"))),
  });
  const run = await fleet.submit("b", "go");
  await fleet.settle();
  armed = true;
  const fork = await run.fork({ turn: 1, model: "other" });
  await fleet.settle();
  expect(await fork.output()).toBe("new");
  expect(other.calls).toHaveLength(2);
  expect(keys).toHaveLength(1);
});
