/** Attempts that cannot end by themselves, and workers that cannot begin them. */
import { Agent, tool } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet, remoteAgent, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { answer, call, say } from "../../support/script.ts";

test("I8: a tool that never ends and ignores its signal does not keep a cancelled run from ending", { timeout: 5_000 }, async () => {
  const cancelled = Promise.withResolvers<void>();
  const simple = (name: string, execute: () => Promise<string>) =>
    toolPolicy(tool({ name, description: name, parameters: z.object({}), execute }), { onCrash: "idempotent" });
  const hung = simple("hung", () => new Promise(() => undefined));
  const quick = simple("quick", async () => {
    await fleet.store.cancel(run.id, 60_000);
    cancelled.resolve();
    return "quick";
  });
  const a = new Agent({ name: "a", model: "m", tools: [hung, quick] });
  const both = answer(functionCall("hung", {}, { callId: "1" }), functionCall("quick", {}, { callId: "2" }));
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([both, say("never")]) } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  await cancelled.promise;
  expect(await fleet.info(run.id)).toMatchObject({ status: "cancelled" });
});

const astray = () => {
  const far = remoteAgent("far", { handoffDescription: "Lives elsewhere." });
  const a = new Agent({ name: "a", model: "m", handoffs: [far] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([call("transfer_to_far")]) } });
  const entry = { v: 1, name: "far", queue: "default", version: "0", description: "", seenAtMs: 0 } as const;
  const announced = { v: 1, workerId: "w", host: "h", pid: 1, queues: ["default"], agents: ["far"], slots: 1, busy: 0 } as const;
  const worker = { ...announced, queues: ["default"], agents: ["far"], startedAtMs: 0, seenAtMs: 0, release: "0" };
  return { fleet, announce: () => fleet.store.announce(worker, [entry]) };
};

test("I8: a run whose agent none of its queue's workers holds ends and says so", async () => {
  const { fleet, announce } = astray();
  await announce();
  expect(await fleet.complete("a", "go")).toMatchObject({ status: "failed", agent: "far", error: { code: "AGENT_UNKNOWN" } });
});

test("workers that do not hold the agent use up none of its retries", async () => {
  const { fleet, announce } = astray();
  await announce();
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect((await fleet.info(run.id)).attempts).toBeGreaterThan(10);
  expect(await fleet.info(run.id)).toMatchObject({ retries: 0 });
});

test("settings that the agent cannot take end the run before a model is paid; an agent further on need not know them", async () => {
  const plain = new Agent({ name: "plain", model: "m" });
  const made = new Agent({ name: "made", model: "m", handoffs: [plain] });
  const model = new ScriptedModel([call("transfer_to_plain"), say("done")]);
  const seen: unknown[] = [];
  const configure = (settings: unknown) => {
    seen.push(settings);
    return made;
  };
  const fleet = testFleet(createFleet({ agents: { plain, made: { agent: made, configure } } }), { models: { m: model } });
  const settings = { outputSchema: { type: "object" } };
  expect(await fleet.complete("plain", "go", { settings })).toMatchObject({
    status: "failed",
    error: { code: "INPUT_INVALID", message: expect.stringContaining("takes no settings") },
  });
  expect(model.calls).toHaveLength(0);
  expect(await fleet.complete("made", "go", { settings })).toMatchObject({ status: "completed", agent: "plain", output: "done" });
  expect(seen).toEqual([settings]);
});
