/** Decisions of people as a hop applies them: edited arguments, decisions that stand, and crashes around both. */
import { Agent, handoff } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { createFleet, type FleetOptions, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { dyingStore, once } from "../../support/dying-store.ts";
import { call, say } from "../../support/script.ts";
import { refunding, waitingRun } from "../../support/waiting-run.ts";

const diesAt = (operation: string, key: string) => dyingStore(once((at, written) => at === operation && written.startsWith(key)));

/** The arguments of the calls that the model is shown in its n-th request. */
const callsShown = (model: ScriptedModel, request: number): string[] =>
  JSON.parse(JSON.stringify(model.calls[request]?.request.input ?? [])).flatMap((item: { type?: string; arguments?: string }) =>
    item.type === "function_call" ? [item.arguments] : [],
  );

test("edited arguments: the tool runs with them, the model is shown what ran, and no model call is paid again", async () => {
  const paid: number[] = [];
  const { fleet, model, run, open } = await waitingRun([call("refund", { amount: 500 }), say("done")], { tools: [refunding(paid)] });
  const [callId = ""] = await open();
  await run.approve(callId, { arguments: { amount: 50 }, by: "ann", reason: "half of it is ours" });
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([50]);
  expect(callsShown(model, 1)).toEqual(['{"amount":50}']);
  expect(model.calls).toHaveLength(2);
  const events = await fleet.eventsOf(run.id);
  expect(events.find(({ type }) => type === "turn.completed")).toMatchObject({ toolCalls: [{ arguments: '{"amount":500}' }] });
  expect(events.find(({ type }) => type === "approval.decided")).toMatchObject({ by: "ann", arguments: '{"amount":50}' });
  expect((await run.status()).decisions).toMatchObject([{ callId, tool: "refund", by: "ann", arguments: '{"amount":50}' }]);
});

test("edited arguments of an agent used as a tool, and of a call inside it", async () => {
  const paid: number[] = [];
  const inner = new Agent({ name: "inner", model: "m", tools: [refunding(paid)] });
  const asked = inner.asTool({ toolName: "ask", toolDescription: "Asks.", needsApproval: true });
  const { fleet, model, run, open } = await waitingRun(
    [call("ask", { input: "q" }), call("refund", { amount: 7 }), say("inner done"), say("outer done")],
    { tools: [asked] },
  );
  await run.approve((await open())[0] ?? "", { arguments: { input: "another question" } });
  await fleet.settle();
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("another question");
  await run.approve((await open())[0] ?? "", { arguments: { amount: 8 } });
  await fleet.settle();
  expect(await run.output()).toBe("outer done");
  expect(paid).toEqual([8]);
  expect(model.calls).toHaveLength(4);
});

test("an edit that the tool's schema refuses is one clear error at the decision, and the call still waits", async () => {
  const paid: number[] = [];
  const { run, open } = await waitingRun([call("refund", { amount: 500 })], { tools: [refunding(paid)] });
  const [callId = ""] = await open();
  await expect(run.approve(callId, { arguments: { amount: "fifty" } })).rejects.toMatchObject({
    code: "INPUT_INVALID",
    at: "arguments.amount",
    message: expect.stringContaining("refund"),
  });
  await expect(run.approve(callId, { arguments: { amount: 5, more: 1 } })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  expect(await open()).toEqual([callId]);
});

test("an edit that only the tool's own parser can refuse is asked about again, with the reason, and is no crash loop", async () => {
  const paid: number[] = [];
  const { fleet, model, run, open } = await waitingRun([call("refund", { amount: 500 }), say("done")], { tools: [refunding(paid)] });
  const [callId = ""] = await open();
  await run.approve(callId, { arguments: { amount: 13 }, by: "ann" });
  await fleet.settle();
  const info = await run.status();
  expect(info).toMatchObject({ suspension: "approval", approvals: [{ callId, arguments: '{"amount":500}' }], retries: 0 });
  expect(info.decisions).toMatchObject([{ by: "ann", refused: { why: expect.stringContaining("must not be 13") } }]);
  expect((await fleet.eventsOf(run.id)).filter(({ type }) => type === "approval.refused")).toHaveLength(1);
  await run.approve(callId, { arguments: { amount: 14 } });
  await fleet.settle();
  expect(paid).toEqual([14]);
  expect(model.calls).toHaveLength(2);
});

test("I5: a worker that dies right after the resume applies the decision once, and the effect is not repeated", async () => {
  const paid: number[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(refunding(paid), { onCrash: "idempotent" })] });
  const model = new ScriptedModel([call("refund", { amount: 500 }), say("done")]);
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models: { m: model },
    // Three deaths in a row: before the acceptance is written, after it and before the tool runs, and after the tool's result is written.
    wrapStore: (store) =>
      [diesAt("before record", "a:"), diesAt("after record", "a:"), diesAt("after record", "t:")].reduce(
        (inner, wrap) => wrap(inner),
        store,
      ),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  await run.approve((await fleet.info(run.id)).approvals[0]?.callId ?? "", { arguments: { amount: 50 }, by: "ann" });
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([50]);
  const decided = (await fleet.eventsOf(run.id)).filter(({ type }) => type === "approval.decided");
  expect(decided).toHaveLength(1);
  expect((await fleet.eventsOf(run.id)).filter(({ type }) => type === "attempt.lost")).toHaveLength(3);
  expect(model.calls).toHaveLength(2);
});

test("an approval that stands decides later calls of the tool, of another agent too, and says so", async () => {
  const paid: number[] = [];
  const b = new Agent({ name: "b", model: "m", tools: [refunding(paid)] });
  const a = new Agent({ name: "a", model: "m", tools: [refunding(paid)], handoffs: [handoff(b)] });
  const model = new ScriptedModel([
    call("refund", { amount: 1 }),
    call("refund", { amount: 2 }),
    call("transfer_to_b"),
    call("refund", { amount: 3 }),
    say("done"),
  ]);
  const fleet = testFleet(createFleet({ agents: { a, b } }), { models: { m: model } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const [first] = (await fleet.info(run.id)).approvals;
  await run.approve(first?.callId ?? "", { always: true, by: "ann", arguments: { amount: 9 } });
  await fleet.settle();
  expect(await run.output()).toBe("done");
  // Edited arguments are those of one call.
  expect(paid).toEqual([9, 2, 3]);
  const decided = (await fleet.eventsOf(run.id)).filter(({ type }) => type === "approval.decided");
  expect(decided).toMatchObject([
    { callId: first?.callId, always: true, by: "ann", agent: "a" },
    { standing: first?.callId, approve: true, by: "ann", agent: "a" },
    { standing: first?.callId, approve: true, by: "ann", agent: "b" },
  ]);
});

test("a rejection that stands decides later calls of the tool, and only of this tool", async () => {
  const paid: number[] = [];
  const other: number[] = [];
  const tools = [refunding(paid), refunding(other, { name: "credit" })];
  const { fleet, model, run, open } = await waitingRun(
    [call("refund", { amount: 1 }), call("refund", { amount: 2 }), call("credit", { amount: 3 }), say("done")],
    { tools },
  );
  await run.reject((await open())[0] ?? "", { always: true, reason: "no refunds today" });
  await fleet.settle();
  expect(JSON.stringify(model.calls[2]?.request.input).match(/no refunds today/g)).toHaveLength(2);
  const info = await run.status();
  expect(info).toMatchObject({ suspension: "approval", approvals: [{ tool: "credit" }] });
  await run.approve((await open())[0] ?? "");
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect([paid, other]).toEqual([[], [3]]);
});

test("what stood when a call ran still stands for it when a later decision says otherwise", async () => {
  const paid: number[] = [];
  const options: Partial<FleetOptions> = { approvers: ({ by, arguments: args }) => by !== "ann" || Number(args["amount"]) < 100 };
  const { fleet, model, run, open } = await waitingRun(
    [call("refund", { amount: 1 }), call("refund", { amount: 2 }), call("refund", { amount: 300 }), say("done")],
    { tools: [refunding(paid)], options },
  );
  await run.approve((await open())[0] ?? "", { always: true, by: "ann" });
  await fleet.settle();
  // Ann's word stands, but not for so much.
  expect(await run.status()).toMatchObject({ approvals: [{ arguments: '{"amount":300}' }], decisions: [{ by: "ann" }] });
  await run.reject((await open())[0] ?? "", { always: true, by: "bob" });
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([1, 2]);
  expect(model.calls).toHaveLength(4);
});
