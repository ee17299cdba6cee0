/** What becomes of a tool call that is cut short: by its attempt's end, by its own time limit, by a sibling's failure. */
import { Agent, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet, currentCall, toolPolicy } from "../../../src/index.ts";
import type { RunStore } from "../../../src/protocol/run-store.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted, dyingStore, once } from "../../support/dying-store.ts";
import { answer, call, say } from "../../support/script.ts";

/** The first record of a tool's result is answered as if another attempt had the run: what else is in flight is stopped. */
const losingLease = (store: RunStore): RunStore => {
  let lost = false;
  return {
    ...store,
    async record(fact) {
      const reply = await store.record(fact);
      if (lost || !fact.key.startsWith("t:") || reply.status === "gone") return reply;
      lost = true;
      return { ...reply, current: false };
    },
  };
};

const stoppable = (name: string, ran: string[], extra: object = {}) =>
  tool({
    name,
    description: name,
    parameters: z.object({}),
    execute: async () => {
      ran.push(name);
      if (ran.filter((other) => other === name).length > 1) return `${name} done`;
      const { signal } = currentCall() ?? {};
      await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
      // As clients of other services do: an error of their own, not the signal's reason.
      throw Object.assign(new Error("request canceled"), { name: "CanceledError" });
    },
    ...extra,
  });

test.each(["the SDK's error text", "an error text of its own"])(
  "I5: an ask tool that throws because its attempt was stopped leaves its effect unknown (%s)",
  async (kind) => {
    const ran: string[] = [];
    const extra = kind.startsWith("an") ? { errorFunction: () => "it failed" } : {};
    const quick = toolPolicy(counted("quick", ran), { onCrash: "idempotent" });
    const a = new Agent({ name: "a", model: "m", tools: [stoppable("charge", ran, extra), quick] });
    const both = answer(functionCall("charge", {}, { callId: "1" }), functionCall("quick", {}, { callId: "2" }));
    const model = new ScriptedModel([both, say("done")]);
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model }, wrapStore: losingLease });
    const run = await fleet.submit("a", "go");
    await fleet.settle();
    const info = await fleet.info(run.id);
    expect(info).toMatchObject({ status: "suspended", suspension: "effect-unknown", openIntents: [{ tool: "charge" }] });
    await run.resolve(info.openIntents[0]?.callId, { type: "ran", result: "charged once" });
    await fleet.settle();
    expect(await run.result()).toMatchObject({ status: "completed" });
    expect(JSON.stringify(model.calls[1]?.request.input)).toContain("charged once");
    expect(ran.toSorted()).toEqual(["charge", "quick"]);
  },
);

test("I5: an idempotent tool that throws because its attempt was stopped runs again, and its error is no result", async () => {
  const ran: string[] = [];
  const slow = toolPolicy(stoppable("slow", ran), { onCrash: "idempotent" });
  const quick = toolPolicy(counted("quick", ran), { onCrash: "idempotent" });
  const a = new Agent({ name: "a", model: "m", tools: [slow, quick] });
  const both = answer(functionCall("slow", {}, { callId: "1" }), functionCall("quick", {}, { callId: "2" }));
  const model = new ScriptedModel([both, say("done")]);
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model }, wrapStore: losingLease });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed" });
  expect(ran.toSorted()).toEqual(["quick", "slow", "slow"]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("slow done");
});

test("a tool's own time limit gives a result that a replay finds again", async () => {
  const ran: string[] = [];
  const late = tool({
    name: "late",
    description: "late",
    parameters: z.object({}),
    timeoutMs: 5,
    execute: async () => {
      ran.push("late");
      return ran.length === 1 ? new Promise<string>(() => undefined) : "in time";
    },
  });
  const model = new ScriptedModel([call("late"), call("step"), say("done")]);
  const step = toolPolicy(counted("step", []), { onCrash: "idempotent" });
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(late, { onCrash: "idempotent" }), step] });
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model },
    wrapStore: dyingStore(once((operation, key) => operation === "after record" && key === "m:0:1")),
  });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", output: "done" });
  expect(ran).toEqual(["late"]);
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("timed out");
});

test("a tool's time limit closes its intent: the hand-over that follows is not held up", async () => {
  const late = tool({
    name: "late",
    description: "late",
    parameters: z.object({}),
    timeoutMs: 5,
    execute: () => new Promise<string>(() => undefined),
  });
  const b = new Agent({ name: "b", model: "m" });
  const a = new Agent({ name: "a", model: "m", tools: [late], handoffs: [b] });
  const model = new ScriptedModel([call("late"), call("transfer_to_b"), say("from b")]);
  const fleet = testFleet(createFleet({ agents: { a, b } }), { models: { m: model } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", agent: "b" });
});

test("parallel tools of which one throws past the SDK: the other's effect is never repeated", async () => {
  const ran: string[] = [];
  const failing = tool({
    name: "failing",
    description: "failing",
    parameters: z.object({}),
    errorFunction: null,
    execute: async () => {
      ran.push("failing");
      if (ran.filter((name) => name === "failing").length > 1) return "works now";
      throw new Error("down");
    },
  });
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(failing, { onCrash: "idempotent" }), counted("charge", ran)] });
  const both = answer(functionCall("failing", {}, { callId: "1" }), functionCall("charge", {}, { callId: "2" }));
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([both, say("done")]) } });
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "completed", output: "done" });
  expect(ran.filter((name) => name === "charge")).toEqual(["charge"]);
});
