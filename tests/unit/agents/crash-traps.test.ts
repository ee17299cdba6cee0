/** What a worker's death may do to a run. Each trap was sprung once; each test names it. */
import { Agent, type Model, run as runPlain, tool, Usage } from "@openai/agents";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet, currentCall, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted, dyingStore, once } from "../../support/dying-store.ts";
import { call, say } from "../../support/script.ts";

test("I4: a model call whose journal write was acknowledged is not made again after the worker died", async () => {
  const ran: string[] = [];
  const model = new ScriptedModel([call("step"), say("done")]);
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(counted("step", ran), { onCrash: "idempotent" })] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key.startsWith("m:"))),
  });
  const result = await fleet.complete("a", "go");
  expect(result).toMatchObject({ status: "completed", output: "done" });
  expect(model.calls).toHaveLength(2);
  expect(ran).toEqual(["step"]);
});

test("I5: an undeclared tool whose result was lost suspends the run, and runs again only when a person says so", async () => {
  const ran: string[] = [];
  const model = new ScriptedModel([call("charge"), say("done")]);
  const a = new Agent({ name: "a", model: "m", tools: [counted("charge", ran)] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model },
    wrapStore: dyingStore(once((operation, key) => operation === "before record" && key.startsWith("t:"))),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const info = await fleet.info(run.id);
  expect(info).toMatchObject({ status: "suspended", suspension: "effect-unknown" });
  expect(info.openIntents).toMatchObject([{ tool: "charge" }]);
  expect(ran).toEqual(["charge"]);
  await run.resolve(info.openIntents[0]?.callId, { type: "ran", result: "charged by hand" });
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
  expect(ran).toEqual(["charge"]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("charged by hand");
});

test("I5: a tool declared idempotent runs again under the same key", async () => {
  const keys: (string | undefined)[] = [];
  const pay = tool({
    name: "pay",
    description: "Pays.",
    parameters: z.object({}),
    execute: async () => {
      keys.push(currentCall()?.idempotencyKey);
      return "paid";
    },
  });
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(pay, { onCrash: "idempotent" })] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([call("pay"), say("done")]) },
    wrapStore: dyingStore(once((operation, key) => operation === "before record" && key.startsWith("t:"))),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toContain(run.id);
});

test("I5: a reconcile function answers for a lost call", async () => {
  const ran: string[] = [];
  const asked: unknown[] = [];
  const model = new ScriptedModel([call("charge"), say("done")]);
  const policy = {
    onCrash: {
      reconcile: (lost: unknown) => {
        asked.push(lost);
        return { ran: "found in the ledger" };
      },
    },
  };
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(counted("charge", ran), policy)] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model },
    wrapStore: dyingStore(once((operation, key) => operation === "before record" && key.startsWith("t:"))),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["charge"]);
  expect(asked).toHaveLength(1);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("found in the ledger");
});

test("slots: parallel nested agents meet their own journal again, whatever their order", async () => {
  const served: string[] = [];
  const brain: Model = {
    async getResponse(request) {
      const text = JSON.stringify(request.input);
      served.push(text.slice(0, 80));
      const nested = text.includes("part-");
      const isOuterAgain = text.includes("function_call_result");
      const output =
        nested && !isOuterAgain && !text.includes("whole")
          ? [assistantMessage(`echo ${/part-\d/.exec(text)?.[0]}`)]
          : isOuterAgain
            ? [assistantMessage("both")]
            : [1, 2].map((n) => functionCall("ask", { input: `part-${n}` }, { callId: `c${n}` }));
      return { usage: new Usage({ requests: 1 }), output };
    },
    getStreamedResponse: () => {
      throw new Error("not streamed here");
    },
  };
  const inner = new Agent({ name: "inner", model: "m" });
  const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
  const fleet = testFleet(createFleet({ agents: { outer: { agent: outer, stream: false } } }), {
    models: { m: brain },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && /^m:[0-9a-f]/.test(key) && !key.startsWith("m:0"))),
  });
  const result = await fleet.complete("outer", "whole");
  expect(result).toMatchObject({ status: "completed", output: "both" });
  // Four calls in all; at most the one in flight at the death is paid twice.
  expect(served.length).toBeGreaterThanOrEqual(4);
  expect(served.length).toBeLessThanOrEqual(5);
});

test("replay divergence: changed code suspends the run instead of paying and acting again", async () => {
  let version = 1;
  const ran: string[] = [];
  const model = new ScriptedModel([call("step"), say("done with 2")]);
  const a = new Agent({
    name: "a",
    model: "m",
    instructions: () => `v${version}`,
    tools: [toolPolicy(counted("step", ran), { onCrash: "idempotent" })],
  });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model },
    wrapStore: dyingStore(
      once((operation, key) => {
        const dies = operation === "after record" && key.startsWith("t:");
        if (dies) version = 2;
        return dies;
      }),
    ),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await fleet.info(run.id)).toMatchObject({ status: "suspended", suspension: "replay-diverged" });
  expect(model.calls).toHaveLength(1);
  expect(ran).toEqual(["step"]);
  await run.resolve(undefined, { type: "resample" });
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "completed" });
});

test("context: what a tool wrote to the context is there after a replay that skips the tool", async () => {
  const seen: unknown[] = [];
  type Ctx = { customerId?: string };
  const find = tool<z.ZodObject<Record<string, never>>, Ctx>({
    name: "find",
    description: "Finds.",
    parameters: z.object({}),
    execute: async (_input, context) => {
      if (context !== undefined) context.context.customerId = "cus_1";
      return "found";
    },
  });
  const charge = tool<z.ZodObject<Record<string, never>>, Ctx>({
    name: "charge",
    description: "Charges.",
    parameters: z.object({}),
    execute: async (_input, context) => {
      seen.push(context?.context.customerId);
      return "charged";
    },
  });
  const a = new Agent<Ctx>({ name: "a", model: "m", tools: [find, charge] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([call("find"), call("charge"), say("done")]) },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key === "m:0:1")),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(seen).toEqual(["cus_1"]);
});

test("guardrail sub-runs: a run() inside a guardrail is journaled and uses the hop's provider", async () => {
  const judge = new Agent({ name: "judge", model: "judge-model" });
  const judged = new ScriptedModel([say("fine")]);
  const a = new Agent({
    name: "a",
    model: "m",
    inputGuardrails: [
      {
        name: "judged",
        runInParallel: false,
        execute: async () => ({ tripwireTriggered: (await runPlain(judge, "ok?")).finalOutput !== "fine", outputInfo: {} }),
      },
    ],
  });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel([say("done")]), "judge-model": judged },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key.startsWith("m:") && !key.startsWith("m:0:"))),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", output: "done" });
  expect(judged.calls).toHaveLength(1);
});

test("an agent with a Model object of its own is journaled too", async () => {
  const model = new ScriptedModel([call("step"), say("done")]);
  const ran: string[] = [];
  const a = new Agent({ name: "a", model, tools: [toolPolicy(counted("step", ran), { onCrash: "idempotent" })] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: {},
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key === "m:0:0")),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(model.calls).toHaveLength(2);
});

test("poison runs: a run whose workers keep dying ends visibly", async () => {
  const a = new Agent({ name: "a", model: "m" });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: new ScriptedModel(Array.from({ length: 30 }, () => say("x"))) },
    wrapStore: dyingStore((operation) => operation === "before record"),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "RUN_CRASHED" } });
});
