/** Approvals where they meet the rest: tenants, pauses, deadlines, handoffs of a run to a copy, guardrails, conversations. */
import { Agent, type ToolInputGuardrailDefinition } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { createFleet, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { answer, call, say } from "../../support/script.ts";
import { refunding, waitingRun } from "../../support/waiting-run.ts";

const HOUR_MS = 3_600_000;

test("a standing decision that was refused does not stand for later calls of another agent in the same hop", async () => {
  const paid: number[] = [];
  const inner = new Agent({ name: "inner", model: "inner", tools: [refunding(paid)] });
  const a = new Agent({
    name: "a",
    model: "outer",
    tools: [refunding(paid), inner.asTool({ toolName: "ask", toolDescription: "Asks.", needsApproval: true })],
  });
  const outer = answer(functionCall("refund", { amount: 500 }, { callId: "c1" }), functionCall("ask", { input: "q" }, { callId: "c2" }));
  const fleet = testFleet(createFleet({ agents: { a }, approvers: ({ arguments: { amount = 0 } }) => Number(amount) < 100 }), {
    models: { outer: new ScriptedModel([outer]), inner: new ScriptedModel([call("refund", { amount: 2 })]) },
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const [large = "", ask = ""] = (await fleet.info(run.id)).approvals.map(({ callId }) => callId);
  await run.approve(large, { by: "ann", always: true });
  await run.approve(ask);
  await fleet.settle();
  expect(paid).toEqual([]);
  expect((await fleet.info(run.id)).approvals).toMatchObject([
    { arguments: '{"amount":500}' },
    { arguments: '{"amount":2}', agent: "inner" },
  ]);
});

test("a decision that is refused gives nobody more time: the deadline stays, and what comes too late is the policy's", async () => {
  const timed = toolPolicy(refunding([]), { approval: { withinMs: 24 * HOUR_MS, onTimeout: "reject" } });
  const { fleet, run, open } = await waitingRun([call("refund", { amount: 5 }), say("done")], {
    tools: [timed],
    options: { approvers: () => false },
  });
  const before = (await run.status()).approvals[0]?.deadlineAtMs;
  await fleet.clock.advance(12 * HOUR_MS);
  await run.approve((await open())[0] ?? "", { by: "mallory" });
  await fleet.settle();
  expect((await run.status()).approvals[0]?.deadlineAtMs).toBe(before);
  await fleet.clock.advance(12 * HOUR_MS - 1);
  await run.approve((await open())[0] ?? "", { by: "mallory" });
  await fleet.clock.advance(1);
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect((await run.status()).decisions.map(({ timedOut = false }) => timedOut)).toEqual([false, false, true]);
});

test.each(["reject", "fail"] as const)(
  "I8: an approval's deadline (%s) counts on while its run is paused, and nothing runs before the resume",
  async (onTimeout) => {
    const timed = toolPolicy(refunding([]), { approval: { withinMs: 24 * HOUR_MS, onTimeout } });
    const { fleet, model, run } = await waitingRun([call("refund", { amount: 5 }), say("done")], { tools: [timed] });
    await run.pause({ by: "ann" });
    await fleet.clock.advance(24 * HOUR_MS);
    await fleet.settle();
    const info = await run.status();
    expect(info.status).toBe(onTimeout === "fail" ? "failed" : "paused");
    expect(model.calls).toHaveLength(1);
    if (onTimeout === "fail") return;
    await run.resume();
    await fleet.settle();
    expect(await run.output()).toBe("done");
  },
);

test("a fork behind an edited call is shown what ran, pays no call again and runs no tool again", async () => {
  const paid: number[] = [];
  const { fleet, model, run, open } = await waitingRun([call("refund", { amount: 500 }), say("done"), say("forked")], {
    tools: [refunding(paid)],
  });
  await run.approve((await open())[0] ?? "", { arguments: { amount: 50 }, by: "ann" });
  await fleet.settle();
  const fork = await run.fork({ turn: 2 });
  await fleet.settle();
  expect(await fork.output()).toBe("forked");
  expect(paid).toEqual([50]);
  expect(JSON.stringify(model.calls[2]?.request.input)).toContain('{\\"amount\\":50}');
});

test("a fork from before a standing decision asks people anew, and one from behind it does not", async () => {
  const paid: number[] = [];
  const { fleet, run, open } = await waitingRun(
    [call("refund", { amount: 1 }), say("done"), call("refund", { amount: 2 }), say("behind"), call("refund", { amount: 1000 })],
    { tools: [refunding(paid)] },
  );
  await run.approve((await open())[0] ?? "", { always: true, by: "ann" });
  await fleet.settle();
  const behind = await run.fork({ turn: 2, tools: "live" });
  await fleet.settle();
  expect(await behind.output()).toBe("behind");
  expect(paid).toEqual([1, 2]);
  const before = await run.fork({ turn: 1, tools: "live" });
  await fleet.settle();
  expect(await before.status()).toMatchObject({ suspension: "approval", approvals: [{ arguments: '{"amount":1000}' }] });
  expect(paid).toEqual([1, 2]);
});

test("I11: a decision on behalf of another tenant, or of none that can be, is refused and tells nothing of the run", async () => {
  const { run, open } = await waitingRun([call("refund", { amount: 500 }), say("done")], { tools: [refunding([])] });
  const [callId = ""] = await open();
  await expect(run.approve(callId, { tenant: "" })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(run.approve(callId, { tenant: "other", arguments: { amount: "x" } })).rejects.toMatchObject({
    code: "RUN_UNKNOWN",
    message: expect.not.stringContaining("refund"),
  });
  expect(await open()).toEqual([callId]);
});

test.each(["reject", "fail"] as const)(
  "conversation: a run whose call nobody decides on (%s) passes its turn on, and leaves no half turn",
  async (onTimeout) => {
    const timed = toolPolicy(refunding([]), { approval: { withinMs: 24 * HOUR_MS, onTimeout } });
    const a = new Agent({ name: "a", model: "m", tools: [timed] });
    const model = new ScriptedModel(
      [call("refund", { amount: 5 }), say("one"), say("two")].filter((_, nth) => onTimeout === "reject" || nth !== 1),
    );
    const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
    const first = await fleet.submit("a", "first", { conversation: "c" });
    const second = await fleet.submit("a", "second", { conversation: "c" });
    await fleet.settle();
    expect(await fleet.info(second.id)).toMatchObject({ suspension: "conversation" });
    await fleet.clock.advance(24 * HOUR_MS);
    await fleet.settle();
    expect(await first.result()).toMatchObject({ status: onTimeout === "fail" ? "failed" : "completed" });
    expect(await second.output()).toBe("two");
    const shown = JSON.stringify(model.calls.at(-1)?.request.input);
    expect(shown.includes("first")).toBe(onTimeout === "reject");
    expect(shown.includes("Nobody decided")).toBe(onTimeout === "reject");
  },
);

test("a call that a tool's guardrail blocks after its approval ends the run as blocked, unpaid; its retry asks nobody again", async () => {
  const paid: number[] = [];
  let limit = 100;
  const tooMuch: ToolInputGuardrailDefinition = {
    type: "tool_input",
    name: "limit",
    run: async ({ toolCall }) => ({
      behavior: { type: JSON.parse(toolCall.arguments).amount > limit ? "throwException" : "allow" },
      outputInfo: { limit },
    }),
  };
  const { fleet, model, run, open } = await waitingRun([call("refund", { amount: 900 }), say("done")], {
    tools: [refunding(paid, { inputGuardrails: [tooMuch] })],
  });
  await run.approve((await open())[0] ?? "", { by: "ann", arguments: { amount: 500 } });
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "blocked", guardrail: { name: "limit", kind: "tool-input", info: { limit: 100 } } });
  expect(paid).toEqual([]);
  limit = 600;
  const retry = await run.retry();
  await fleet.settle();
  expect(await retry.output()).toBe("done");
  expect(paid).toEqual([500]);
  expect(model.calls).toHaveLength(2);
});
