/** Where a journal over the Agents SDK breaks without a crash. Each trap was sprung once; each test names it. */
import { Agent, addTraceProcessor, OpenAIProvider, Runner, run as runPlain, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { OpenAI } from "openai";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet, currentCall, remoteAgent } from "../../../src/index.ts";
import { startFakeProvider } from "../../../src/testing/fake-provider.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted } from "../../support/dying-store.ts";
import { answer, call, say } from "../../support/script.ts";

test("poison replay: a bad answer is sampled anew, not replayed for ever", async () => {
  const model = new ScriptedModel([say("no json"), say('{"n":1}')]);
  const a = new Agent({ name: "a", model: "m", outputType: z.object({ n: z.number() }) });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", output: { n: 1 } });
  model.assertComplete();
});

test("poison replay: after two more bad answers the run ends and says why", async () => {
  const a = new Agent({ name: "a", model: "m", outputType: z.object({ n: z.number() }) });
  const model = new ScriptedModel([say("no"), say("no"), say("no"), say('{"n":1}')]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "MODEL_OUTPUT_INVALID" } });
  expect(model.calls).toHaveLength(3);
});

test("last-turn handoff: a handoff on the last allowed turn is a handoff", async () => {
  const b = new Agent({ name: "b", model: "m" });
  const a = new Agent({ name: "a", model: "m", handoffs: [b] });
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, limits: { turns: 1 } }, b } }), {
    models: { m: new ScriptedModel([call("transfer_to_b"), say("from b")]) },
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", agent: "b", output: "from b" });
});

test("turn limit: an agent that never answers ends with a code", async () => {
  const ran: string[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [counted("step", ran)] });
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, limits: { turns: 2 } } } }), {
    models: { m: new ScriptedModel([call("step"), call("step"), say("late")]) },
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "TURN_LIMIT" } });
});

test("ping-pong: handoffs in circles end at the run's limit", async () => {
  const a: Agent = new Agent({ name: "a", model: "m" });
  const b: Agent = new Agent({ name: "b", model: "m", handoffs: [a] });
  a.handoffs = [b];
  const script = Array.from({ length: 10 }, (_, index) => call(index % 2 === 0 ? "transfer_to_b" : "transfer_to_a", {}, `c${index}`));
  const fleet = testFleet(createFleet({ agents: { a, b } }), { models: { m: new ScriptedModel(script) } });
  expect(await fleet.complete("a", "go", { maxHops: 4 })).toMatchObject({ status: "failed", error: { code: "HANDOFF_LIMIT" } });
});

test("throwing listeners: a hook that throws does not fail the run", async () => {
  const a = new Agent({ name: "a", model: "m" });
  a.on("agent_start", () => {
    throw new Error("listener bug");
  });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([say("fine")]) } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", output: "fine" });
});

test("reused call ids: a provider that repeats its ids still has each call run", async () => {
  const ran: string[] = [];
  const model = new ScriptedModel([call("step", {}, "same"), call("step", {}, "same"), say("done")]);
  const a = new Agent({ name: "a", model: "m", tools: [counted("step", ran)] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["step", "step"]);
});

test.each([true, false])("truncated chat answers: text cut off at the token limit is no success (stream: %s)", async (stream) => {
  await using provider = await startFakeProvider({ reply: () => ({ text: "half an ans", finishReason: "length" }) });
  const openAIClient = new OpenAI({ apiKey: "k", baseURL: provider.url, maxRetries: 0 });
  const model = await new OpenAIProvider({ openAIClient, useResponses: false }).getModel("m");
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, stream } } }), { models: { m: model } });
  const result = await fleet.complete("a", "go");
  expect(result).toMatchObject({ status: "failed", error: { code: "MODEL_OUTPUT_TRUNCATED" } });
  // It was paid for all the same.
  expect(result?.usage.outputTokens).toBeGreaterThan(0);
});

test("a guardrail that trips ends the run as blocked, with its name", async () => {
  const a = new Agent({
    name: "a",
    model: "m",
    inputGuardrails: [
      { name: "no-go", runInParallel: false, execute: async () => ({ tripwireTriggered: true, outputInfo: { word: "go" } }) },
    ],
  });
  const model = new ScriptedModel([say("never")]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  expect(await fleet.complete("a", "go")).toMatchObject({
    status: "blocked",
    guardrail: { name: "no-go", kind: "input", info: { word: "go" } },
  });
  expect(model.calls).toHaveLength(0);
});

test("I13: the user's objects stay untouched, and plain Runner.run on the same agents behaves the same before, during and after", async () => {
  const b = new Agent({ name: "b", model: "m" });
  const ran: string[] = [];
  const a = new Agent({ name: "a", model: "m", handoffs: [b], tools: [counted("step", ran)] });
  const before = { handoffs: a.handoffs[0], tool: a.tools[0], keys: Object.keys(a) };
  const plain = async () => {
    const model = new ScriptedModel([call("transfer_to_b"), say("plain")]);
    const runner = new Runner({ modelProvider: { getModel: () => model }, tracingDisabled: true });
    return (await runner.run(a, "hello")).finalOutput;
  };
  expect(await plain()).toBe("plain");
  const fleet = testFleet(createFleet({ agents: { a, b } }), { models: { m: new ScriptedModel([call("transfer_to_b"), say("fleet")]) } });
  const [inFleet, meanwhile] = await Promise.all([fleet.complete("a", "hello"), plain()]);
  expect(inFleet).toMatchObject({ output: "fleet" });
  expect(meanwhile).toBe("plain");
  expect(await plain()).toBe("plain");
  expect({ handoffs: a.handoffs[0], tool: a.tools[0], keys: Object.keys(a) }).toEqual(before);
  expect(a.handoffs[0]).toBe(before.handoffs);
});

test("I13: a conditional needsApproval sees the parsed arguments, and the refund does not run unapproved", async () => {
  const seen: unknown[] = [];
  const ran: unknown[] = [];
  const refund = tool({
    name: "refund",
    description: "Refunds.",
    parameters: z.object({ amount: z.number() }),
    needsApproval: async (_context, args) => {
      seen.push(args);
      return args.amount > 100;
    },
    execute: async ({ amount }) => {
      ran.push(amount);
      return "refunded";
    },
  });
  const a = new Agent({ name: "a", model: "m", tools: [refund] });
  const model = new ScriptedModel([call("refund", { amount: 500 }), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const info = await fleet.info(run.id);
  expect(info).toMatchObject({ status: "suspended", suspension: "approval", approvals: [{ tool: "refund" }] });
  expect(seen[0]).toEqual({ amount: 500 });
  expect(ran).toEqual([]);
  await run.approve(info.approvals[0]?.callId ?? "");
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  expect(ran).toEqual([500]);
  expect(model.calls).toHaveLength(2);
});

test("a nested approval suspends the run, and the nested agent's calls are not paid again", async () => {
  const ran: string[] = [];
  const inner = new Agent({ name: "inner", model: "m", tools: [counted("danger", ran, { needsApproval: true } as object)] });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const model = new ScriptedModel([call("ask", { input: "q" }), call("danger"), say("inner done"), say("outer done")]);
  const fleet = testFleet(createFleet({ agents: { outer } }), { models: { m: model } });
  const run = await fleet.submit("outer", "go");
  await fleet.settle();
  const info = await fleet.info(run.id);
  expect(info).toMatchObject({ status: "suspended", suspension: "approval", approvals: [{ tool: "danger" }] });
  await run.approve(info.approvals[0]?.callId ?? "");
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "outer done" });
  expect(ran).toEqual(["danger"]);
  expect(model.calls).toHaveLength(4);
});

test("a remote agent is a name: the hop ends and the registry tells its queue", async () => {
  const elsewhere = remoteAgent("elsewhere", { handoffDescription: "Lives in other workers." });
  const a = new Agent({ name: "a", model: "m", handoffs: [elsewhere] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([call("transfer_to_elsewhere")]) } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "AGENT_UNKNOWN" } });
});

test("429: a short wait is made in the slot, a long one suspends without one", async () => {
  const limited = (seconds: number) =>
    Object.assign(new Error("429"), { status: 429, code: "rate_limit_exceeded", headers: new Headers({ "retry-after": String(seconds) }) });
  const a = new Agent({ name: "a", model: "m" });
  const model = new ScriptedModel([{ type: "error", error: limited(2) }, say("after a short wait")]);
  const short = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  expect(await short.complete("a", "go")).toMatchObject({ output: "after a short wait" });
  const long = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([{ type: "error", error: limited(60) }, say("after a long wait")]) },
  });
  const run = await long.submit("a", "go");
  await long.settle();
  expect(await run.result()).toMatchObject({ output: "after a long wait" });
  expect((await long.eventsOf(run.id)).find(({ type }) => type === "run.suspended")).toMatchObject({ suspension: "lane" });
});

test("5xx: retried with backoff, then failed with a code", async () => {
  const broken = Object.assign(new Error("boom"), { status: 500 });
  const a = new Agent({ name: "a", model: "m" });
  const twice = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([{ type: "error", error: broken }, { type: "error", error: broken }, say("up again")]) },
  });
  expect(await twice.complete("a", "go")).toMatchObject({ output: "up again" });
  const always = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel(Array.from({ length: 20 }, () => ({ type: "error" as const, error: broken }))) },
  });
  expect(await always.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "MODEL_UNAVAILABLE" } });
});

test("a transient failure in a nested agent ends the attempt instead of becoming text for the model", async () => {
  const broken = Object.assign(new Error("boom"), { status: 503 });
  const inner = new Agent({ name: "inner", model: "m" });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const model = new ScriptedModel([call("ask", { input: "q" }), { type: "error", error: broken }, say("inner"), say("outer")]);
  const fleet = testFleet(createFleet({ agents: { outer } }), { models: { m: model } });
  expect(await fleet.complete("outer", "go")).toMatchObject({ status: "completed", output: "outer" });
  expect(JSON.stringify(model.calls.at(-1)?.request.input)).not.toContain("error");
});

test("currentCall is undefined outside a fleet", () => {
  expect(currentCall()).toBeUndefined();
});

test("answers keep their order of items when several tools run at once", async () => {
  const ran: string[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [counted("one", ran), counted("two", ran)] });
  const model = new ScriptedModel([
    answer(functionCall("one", {}, { callId: "1" }), functionCall("two", {}, { callId: "2" })),
    say("done"),
  ]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  expect(await fleet.complete("a", "go")).toMatchObject({ output: "done" });
  expect(ran.sort()).toEqual(["one", "two"]);
});

test("tracing export is off: a fleet's run gives nothing to the SDK's trace processors, which would send it to the provider", async () => {
  const traced: string[] = [];
  const note = (what: string) => async () => {
    traced.push(what);
  };
  addTraceProcessor({
    onTraceStart: note("trace"),
    onTraceEnd: note("trace end"),
    onSpanStart: note("span"),
    onSpanEnd: note("span end"),
    shutdown: async () => undefined,
    forceFlush: async () => undefined,
  });
  const judge = new Agent({ name: "judge", model: "judge" });
  const inner = new Agent({ name: "inner", model: "inner" });
  const a = new Agent({
    name: "a",
    model: "m",
    tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })],
    inputGuardrails: [
      {
        name: "judged",
        runInParallel: false,
        execute: async () => ({ tripwireTriggered: false, outputInfo: (await runPlain(judge, "ok?")).finalOutput }),
      },
    ],
  });
  const models = {
    m: new ScriptedModel([call("ask", { input: "q" }), say("done")]),
    judge: new ScriptedModel([say("fine")]),
    inner: new ScriptedModel([say("i")]),
  };
  const fleet = testFleet(createFleet({ agents: { a } }), { models });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(traced).toEqual([]);
});
