/** Whose answer is whose: places of calls in the journal, across resampling, approvals and nested agents. */
import { Agent, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted, dyingStore, once } from "../../support/dying-store.ts";
import { answer, call, say } from "../../support/script.ts";

const paying = (paid: number[], extra: object = {}) =>
  tool({
    name: "refund",
    description: "Refunds.",
    parameters: z.object({ amount: z.number() }),
    needsApproval: true,
    execute: async ({ amount }) => {
      paid.push(amount);
      return `refunded ${amount}`;
    },
    ...extra,
  });

test("an approval is for the call a person saw: a turn that is sampled anew asks again", async () => {
  let version = 1;
  const paid: number[] = [];
  const a = new Agent({ name: "a", model: "m", instructions: () => `v${version}`, tools: [paying(paid)] });
  const model = new ScriptedModel([call("refund", { amount: 5 }), call("refund", { amount: 500 }), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const first = (await fleet.info(run.id)).approvals[0];
  version = 2;
  await run.approve(first?.callId ?? "");
  await fleet.settle();
  expect(await fleet.info(run.id)).toMatchObject({ suspension: "replay-diverged" });
  await run.resolve(undefined, { type: "resample" });
  await fleet.settle();
  expect(paid).toEqual([]);
  const info = await fleet.info(run.id);
  expect(info).toMatchObject({ suspension: "approval", approvals: [{ arguments: '{"amount":500}' }] });
  await run.reject(info.approvals[0]?.callId ?? "", { reason: "too much" });
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  expect(paid).toEqual([]);
});

test("several approvals of one turn, decided one by one, approved and rejected with a message", async () => {
  const paid: number[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [paying(paid)] });
  const two = answer(functionCall("refund", { amount: 1 }, { callId: "1" }), functionCall("refund", { amount: 2 }, { callId: "2" }));
  const model = new ScriptedModel([two, say("done")]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const { approvals } = await fleet.info(run.id);
  expect(approvals).toHaveLength(2);
  await run.approve(approvals.find(({ arguments: args }) => args.includes("1"))?.callId ?? "");
  await fleet.settle();
  expect(await fleet.info(run.id)).toMatchObject({ suspension: "approval" });
  await run.reject(approvals.find(({ arguments: args }) => args.includes("2"))?.callId ?? "", { reason: "not this one" });
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(paid).toEqual([1]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("not this one");
});

test("a nested agent that asks for approval twice in a row goes on where it was", async () => {
  const paid: number[] = [];
  const inner = new Agent({ name: "inner", model: "inner", tools: [paying(paid)] });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const nested = new ScriptedModel([call("refund", { amount: 1 }), call("refund", { amount: 2 }), say("both")]);
  const fleet = testFleet(createFleet({ agents: { outer } }), {
    models: { inner: nested, m: new ScriptedModel([call("ask", { input: "q" }), say("done")]) },
  });
  const run = await fleet.submit("outer", "go");
  for (const amount of [1, 2]) {
    await fleet.settle();
    const info = await fleet.info(run.id);
    expect(info).toMatchObject({ suspension: "approval", approvals: [{ arguments: `{"amount":${amount}}` }] });
    await run.approve(info.approvals[0]?.callId ?? "");
  }
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  expect(paid).toEqual([1, 2]);
  expect(nested.calls).toHaveLength(3);
});

test("two nested runs of the same agent on the same input, both waiting for a person, keep their own journals", async () => {
  const paid: number[] = [];
  const inner = new Agent({ name: "inner", model: "inner", tools: [paying(paid)] });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const asks = answer(functionCall("ask", { input: "q" }, { callId: "1" }), functionCall("ask", { input: "q" }, { callId: "2" }));
  const nested = new ScriptedModel([call("refund", { amount: 1 }), call("refund", { amount: 2 }), say("one"), say("two")]);
  const fleet = testFleet(createFleet({ agents: { outer } }), { models: { inner: nested, m: new ScriptedModel([asks, say("done")]) } });
  const run = await fleet.submit("outer", "go");
  await fleet.settle();
  const { approvals } = await fleet.info(run.id);
  expect(approvals.map(({ arguments: args }) => args).sort()).toEqual(['{"amount":1}', '{"amount":2}']);
  for (const { callId } of approvals) await run.approve(callId);
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  expect(new Set(paid)).toEqual(new Set([1, 2]));
  expect(nested.calls).toHaveLength(4);
});

test("I5: a nested agent whose input changes between attempts is not sampled anew: its tools may have run", async () => {
  const ran: string[] = [];
  let reads = 0;
  const inner = new Agent({ name: "inner", model: "inner", tools: [counted("charge", ran)] });
  const ask = inner.asTool({ toolName: "ask", toolDescription: "Asks.", inputBuilder: () => `read ${(reads += 1)}` });
  const outer = new Agent({ name: "outer", model: "m", tools: [ask] });
  const nested = new ScriptedModel([call("charge"), call("charge"), say("inner"), say("inner")]);
  const fleet = testFleet(createFleet({ agents: { outer } }), {
    models: { inner: nested, m: new ScriptedModel([call("ask", { input: "q" }), say("done")]) },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key.startsWith("t:"))),
  });
  const run = await fleet.submit("outer", "go");
  await fleet.settle();
  expect(ran).toEqual(["charge"]);
  expect(await fleet.info(run.id)).toMatchObject({ suspension: "replay-diverged" });
});

test("I5: a nested agent that had failed for good is not asked again in the middle of a replay", async () => {
  const ran: string[] = [];
  const inner = new Agent({ name: "inner", model: "inner", tools: [counted("charge", ran)] });
  const step = toolPolicy(counted("step", []), { onCrash: "idempotent" });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." }), step] });
  const refused = Object.assign(new Error("bad request"), { status: 400 });
  const nested = new ScriptedModel([{ type: "error", error: refused }, call("charge"), say("inner")]);
  const fleet = testFleet(createFleet({ agents: { outer } }), {
    models: { inner: nested, m: new ScriptedModel([call("ask", { input: "q" }), call("step"), say("done")]) },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key === "m:0:1")),
  });
  await fleet.submit("outer", "go");
  await fleet.settle();
  expect(nested.calls).toHaveLength(1);
  expect(ran).toEqual([]);
});

test("a call that ran is not put to a person because its predicate changed its mind", async () => {
  const ran: string[] = [];
  let asked = 0;
  const refund = tool({
    name: "refund",
    description: "Refunds.",
    parameters: z.object({}),
    needsApproval: async () => (asked += 1) > 1,
    execute: async () => {
      ran.push("refund");
      return "refunded";
    },
  });
  const a = new Agent({ name: "a", model: "m", tools: [refund] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([call("refund"), say("done")]) },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key.startsWith("t:"))),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", output: "done" });
  expect(ran).toEqual(["refund"]);
});

test("context: of two parallel tools that set the same key, the later one wins in a replay too", async () => {
  type Ctx = { winner?: string };
  const seen: unknown[] = [];
  const first = Promise.withResolvers<void>();
  const setter = (name: string, before: () => Promise<void>) =>
    tool<z.ZodObject<Record<string, never>>, Ctx>({
      name,
      description: name,
      parameters: z.object({}),
      execute: async (_input, context) => {
        await before();
        if (context !== undefined) context.context.winner = name;
        return name;
      },
    });
  const read = tool<z.ZodObject<Record<string, never>>, Ctx>({
    name: "read",
    description: "read",
    parameters: z.object({}),
    execute: async (_input, context) => {
      seen.push(context?.context.winner);
      return "read";
    },
  });
  const a = new Agent<Ctx>({
    name: "a",
    model: "m",
    tools: [setter("slow", () => first.promise), setter("quick", async () => undefined), read],
  });
  const both = answer(functionCall("slow", {}, { callId: "1" }), functionCall("quick", {}, { callId: "2" }));
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([both, call("read"), say("done")]) },
    wrapStore: (store) =>
      dyingStore(once((operation, key) => operation === "after record" && key === "m:0:1"))({
        ...store,
        async record(fact) {
          const reply = await store.record(fact);
          if (fact.key.startsWith("t:") && fact.valueJson.includes("quick")) first.resolve();
          return reply;
        },
      }),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(seen).toEqual(["slow"]);
});
