/** Guardrails inside a hop: when they run, what they cost, what becomes of the run when they trip, fail or meet a replay. */
import { Agent, type InputGuardrail, type OutputGuardrail, run as runPlain, Usage } from "@openai/agents";
import { assistantMessage, modelResponder, ScriptedModel } from "@openai/agents/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createFleet, LIMITS } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted, dyingStore, once } from "../../support/dying-store.ts";
import { call, say } from "../../support/script.ts";

const inputGuardrail = (name: string, trips: boolean, extra: Partial<InputGuardrail> = {}) => ({
  name,
  execute: async () => ({ tripwireTriggered: trips, outputInfo: { by: name } }),
  ...extra,
});

describe("input guardrails", () => {
  test("run before the model is paid, although the SDK's default is beside it", async () => {
    const model = new ScriptedModel([say("never")]);
    const a = new Agent({ name: "a", model: "m", inputGuardrails: [inputGuardrail("no-go", true)] });
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
    const run = await fleet.submit("a", "go");
    await fleet.settle();
    expect(await run.result()).toMatchObject({
      status: "blocked",
      agent: "a",
      guardrail: { name: "no-go", kind: "input", info: { by: "no-go" } },
      error: { code: "GUARDRAIL_TRIPPED", message: "The input guardrail no-go stopped the run." },
      usage: { requests: 0 },
    });
    expect(model.calls).toHaveLength(0);
    expect((await fleet.eventsOf(run.id)).at(-1)).toMatchObject({ type: "run.blocked", error: { guardrail: { name: "no-go" } } });
    expect((await fleet.info(run.id)).error?.guardrail).toMatchObject({ name: "no-go" });
  });

  test("run beside the model where they say so, which is then paid for", async () => {
    const asked = Promise.withResolvers<void>();
    const model = new ScriptedModel([
      modelResponder(() => {
        asked.resolve();
        return { usage: new Usage({ requests: 1 }), output: [assistantMessage("paid")] };
      }),
    ]);
    const slow = inputGuardrail("slow", true, {
      runInParallel: true,
      execute: async () => {
        await asked.promise;
        return { tripwireTriggered: true, outputInfo: {} };
      },
    });
    const a = new Agent({ name: "a", model: "m", inputGuardrails: [slow] });
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
    expect(await fleet.complete("a", "go")).toMatchObject({ status: "blocked", guardrail: { name: "slow" } });
    expect(model.calls).toHaveLength(1);
  });

  test("I13: the agent and its guardrails stay as they were", async () => {
    const guardrail = inputGuardrail("no-go", true);
    const a = new Agent({ name: "a", model: "m", inputGuardrails: [guardrail] });
    const before = { ...guardrail };
    await testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([]) } }).complete("a", "go");
    expect(a.inputGuardrails[0]).toBe(guardrail);
    expect(guardrail).toEqual(before);
  });

  test.each([
    [undefined, 1],
    ["entry-only", 1],
    ["every-hop", 2],
  ] as const)("with guardrails: %s they run %i times where the run comes back to its first agent", async (guardrails, times) => {
    const seen: unknown[] = [];
    const look: InputGuardrail = {
      name: "look",
      execute: async ({ input }) => {
        seen.push(input);
        return { tripwireTriggered: false, outputInfo: {} };
      },
    };
    const b: Agent = new Agent({ name: "b", model: "b" });
    const a: Agent = new Agent({ name: "a", model: "a", handoffs: [b], inputGuardrails: [look] });
    b.handoffs = [a];
    const fleet = testFleet(createFleet({ agents: { a: { agent: a, ...(guardrails === undefined ? {} : { guardrails }) }, b } }), {
      models: { a: new ScriptedModel([call("transfer_to_b"), say("done")]), b: new ScriptedModel([call("transfer_to_a")]) },
    });
    expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", agent: "a" });
    expect(seen).toHaveLength(times);
    if (times === 2) expect(JSON.stringify(seen[1])).toContain("transfer_to_b");
  });

  test("a word that is no scope is refused when the fleet is made", () => {
    const agent = new Agent({ name: "a", model: "m" });
    // @ts-expect-error -- no such scope
    expect(() => createFleet({ agents: { a: { agent, guardrails: "always" } } })).toThrow("every-hop");
  });

  test("guard agents that are used as tools before their model is paid, too", async () => {
    const inner = new Agent({ name: "inner", model: "inner", inputGuardrails: [inputGuardrail("inside", true)] });
    const outer = new Agent({ name: "outer", model: "outer", tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })] });
    const innerModel = new ScriptedModel([say("never")]);
    const outerModel = new ScriptedModel([call("ask", { input: "q" }), say("could not ask")]);
    const fleet = testFleet(createFleet({ agents: { outer } }), { models: { inner: innerModel, outer: outerModel } });
    expect(await fleet.complete("outer", "go")).toMatchObject({ status: "completed", output: "could not ask" });
    expect(innerModel.calls).toHaveLength(0);
  });
});

describe("output guardrails", () => {
  const noSecrets: OutputGuardrail = {
    name: "no-secrets",
    execute: async ({ agentOutput }) => ({ tripwireTriggered: agentOutput.includes("secret"), outputInfo: { chars: agentOutput.length } }),
  };

  test.each([true, false])("block with what they found, which the SDK takes off its error (stream: %s)", async (stream) => {
    const a = new Agent({ name: "a", model: "m", outputGuardrails: [noSecrets] });
    const fleet = testFleet(createFleet({ agents: { a: { agent: a, stream } } }), { models: { m: new ScriptedModel([say("a secret")]) } });
    expect(await fleet.complete("a", "go")).toMatchObject({
      status: "blocked",
      guardrail: { name: "no-secrets", kind: "output", info: { chars: 8 } },
      usage: { requests: 1 },
    });
  });

  test("guard the agent that ends the run, not one that hands off", async () => {
    const b = new Agent({ name: "b", model: "b" });
    const a = new Agent({ name: "a", model: "a", handoffs: [b], outputGuardrails: [noSecrets] });
    const fleet = testFleet(createFleet({ agents: { a, b } }), {
      models: { a: new ScriptedModel([call("transfer_to_b")]), b: new ScriptedModel([say("secret")]) },
    });
    expect(await fleet.complete("a", "secret")).toMatchObject({ status: "completed", agent: "b" });
  });
});

describe("what a guardrail found", () => {
  const ending = async (outputInfo: unknown) => {
    const guardrail = { name: "g", execute: async () => ({ tripwireTriggered: true, outputInfo }) };
    const a = new Agent({ name: "a", model: "m", inputGuardrails: [guardrail] });
    return testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([]) } }).complete("a", "go");
  };

  test("is bounded", async () => {
    const result = await ending({ text: "x".repeat(100_000) });
    const info = result?.status === "blocked" ? result.guardrail.info : undefined;
    expect(info).toMatch(/^\{"text":"x+… \(\d+ more characters\)$/);
    expect(info).toHaveLength(LIMITS.guardrailInfoChars + "… (96011 more characters)".length);
  });

  test("is left out where JSON cannot carry it, and the run is blocked all the same", async () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const results = [await ending(cycle), await ending(undefined), await ending(1n)];
    expect(results).toMatchObject(results.map(() => ({ status: "blocked", guardrail: { name: "g", kind: "input" } })));
    expect(results.map((result) => (result?.status === "blocked" ? "info" in result.guardrail : undefined))).toEqual([false, false, false]);
  });
});

describe("a guardrail that fails", () => {
  test("is tried again, and the run goes on when it works", async () => {
    let fails = 2;
    const flaky = inputGuardrail("flaky", false, {
      execute: async () => {
        if (fails-- > 0) throw new Error("moderation service down");
        return { tripwireTriggered: false, outputInfo: {} };
      },
    });
    const model = new ScriptedModel([say("done")]);
    const a = new Agent({ name: "a", model: "m", inputGuardrails: [flaky] });
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
    expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
    expect(model.calls).toHaveLength(1);
  });

  const broken = () => Promise.reject(new Error("moderation service down"));
  const acting = (extra: object) => new Agent({ name: "a", model: "m", tools: [counted("act", [], extra)] });

  test.each([
    ["input", new Agent({ name: "a", model: "m", inputGuardrails: [{ name: "broken", execute: broken }] })],
    ["output", new Agent({ name: "a", model: "m", outputGuardrails: [{ name: "broken", execute: broken }] })],
    ["tool-input", acting({ inputGuardrails: [{ name: "broken", run: broken }] })],
    ["tool-output", acting({ outputGuardrails: [{ name: "broken", run: broken }] })],
  ])("always (%s) ends the run with its name, and nothing passes unguarded", async (kind, a) => {
    const model = new ScriptedModel([kind.startsWith("tool") ? call("act") : say("unguarded"), say("unguarded")]);
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
    expect(await fleet.complete("a", "go")).toMatchObject({
      status: "failed",
      error: { code: "GUARDRAIL_FAILED", message: expect.stringContaining("The guardrail broken failed: Error: moderation service down") },
    });
    expect(model.calls).toHaveLength(kind === "input" ? 0 : 1);
  });

  test("whose judge never answers in its form ends the run after three samples, as the guardrail's failure", async () => {
    const judge = new Agent({ name: "judge", model: "judge", outputType: z.object({ ok: z.boolean() }) });
    const asks = async () => {
      const { finalOutput } = await runPlain(judge, "ok?");
      return { tripwireTriggered: finalOutput?.ok !== true, outputInfo: {} };
    };
    const judged = new ScriptedModel(Array.from({ length: 5 }, () => say("perhaps")));
    const a = new Agent({ name: "a", model: "m", outputGuardrails: [{ name: "judged", execute: asks }] });
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([say("done")]), judge: judged } });
    expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", error: { code: "GUARDRAIL_FAILED" } });
    expect(judged.calls).toHaveLength(3);
  });
});

test("I4: what a guardrail asked a model is charged to the run, and not asked again after a death", async () => {
  const judge = new Agent({ name: "judge", model: "judge" });
  const asks = (name: string) => ({
    name,
    execute: async () => ({ tripwireTriggered: (await runPlain(judge, name)).finalOutput !== "fine", outputInfo: {} }),
  });
  const judged = new ScriptedModel([say("fine"), say("fine"), say("fine")]);
  const a = new Agent({
    name: "a",
    model: "m",
    inputGuardrails: [asks("first"), asks("second")],
    outputGuardrails: [asks("last")],
  });
  const model = new ScriptedModel([say("done")]);
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model, judge: judged },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key === "m:0:0")),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", usage: { requests: 4 } });
  expect(judged.calls).toHaveLength(3);
  expect(model.calls).toHaveLength(1);
});
