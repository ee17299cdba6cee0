/** How long a person has, who may decide, and who is told. */
import { Agent } from "@openai/agents";
import { functionCall, ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { createFleet, type DecisionToCheck, type FleetOptions, toolPolicy } from "../../../src/index.ts";
import type { ApprovalRequest } from "../../../src/protocol/run.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { answer, call, say } from "../../support/script.ts";
import { refunding, waitingRun } from "../../support/waiting-run.ts";

const HOUR_MS = 3_600_000;

test("nobody decides in time: the model is told so, not that somebody said no", async () => {
  const paid: number[] = [];
  const timed = toolPolicy(refunding(paid), { approval: { withinMs: 24 * HOUR_MS, onTimeout: "reject" } });
  const { fleet, model, run, open } = await waitingRun([call("refund", { amount: 5 }), say("nobody was there")], { tools: [timed] });
  const [request] = (await run.status()).approvals;
  expect((request?.deadlineAtMs ?? 0) - (request?.requestedAtMs ?? 0)).toBe(24 * HOUR_MS);
  expect(fleet.queue.size("default")).toBe(0);
  await fleet.clock.advance(24 * HOUR_MS);
  await expect(run.approve((await open())[0] ?? "", { by: "ann" })).rejects.toMatchObject({
    code: "DECISION_NOT_OPEN",
    message: expect.stringContaining("ran out"),
  });
  await fleet.settle();
  expect(await run.output()).toBe("nobody was there");
  expect(JSON.stringify(model.calls[1]?.request.input)).toContain("Nobody decided on this call in time");
  expect(paid).toEqual([]);
  expect((await run.status()).decisions).toMatchObject([{ approve: false, timedOut: true }]);
});

test("nobody decides in time and the policy ends the run: it fails with a code of its own", async () => {
  const timed = toolPolicy(refunding([]), { approval: { withinMs: 24 * HOUR_MS, onTimeout: "fail" } });
  const { fleet, run, open } = await waitingRun([call("refund", { amount: 5 })], { tools: [timed] });
  const [callId = ""] = await open();
  await fleet.clock.advance(24 * HOUR_MS);
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "failed", error: { code: "APPROVAL_TIMED_OUT" } });
  await expect(run.approve(callId)).rejects.toMatchObject({
    code: "DECISION_NOT_OPEN",
    message: expect.stringContaining("Nobody decided"),
  });
});

test("onTimeout wait: a call waits as long as its run lives, also where the tool had a deadline before", async () => {
  const timed = toolPolicy(refunding([]), { approval: { withinMs: HOUR_MS, onTimeout: "fail" } });
  const { fleet, run } = await waitingRun([call("refund", { amount: 5 }), say("done")], {
    tools: [toolPolicy(timed, { approval: { onTimeout: "wait" } })],
  });
  await fleet.clock.advance(29 * 24 * HOUR_MS);
  await fleet.settle();
  const { status, approvals } = await run.status();
  expect(status).toBe("suspended");
  expect(approvals).toMatchObject([{ tool: "refund" }]);
  expect(approvals[0]).not.toHaveProperty("deadlineAtMs");
});

test("a retry of a run that a deadline ended puts the call to people again, and pays nothing twice", async () => {
  const paid: number[] = [];
  const timed = toolPolicy(refunding(paid), { approval: { withinMs: 24 * HOUR_MS, onTimeout: "fail" } });
  const { fleet, model, run } = await waitingRun([call("refund", { amount: 5 }), say("done")], { tools: [timed] });
  await fleet.clock.advance(24 * HOUR_MS);
  await fleet.settle();
  const retry = await run.retry();
  await fleet.settle();
  const [asked] = (await retry.status()).approvals;
  await retry.approve(asked?.callId ?? "", { by: "ann" });
  await fleet.settle();
  expect(await retry.output()).toBe("done");
  expect(paid).toEqual([5]);
  expect(model.calls).toHaveLength(2);
});

test("a nested agent's tool keeps its own deadline", async () => {
  const timed = toolPolicy(refunding([]), { approval: { withinMs: 24 * HOUR_MS, onTimeout: "reject" } });
  const inner = new Agent({ name: "inner", model: "m", tools: [timed] });
  const { run } = await waitingRun([call("ask", { input: "q" }), call("refund", { amount: 7 })], {
    tools: [inner.asTool({ toolName: "ask", toolDescription: "Asks." })],
  });
  expect((await run.status()).approvals).toMatchObject([{ agent: "inner", withinMs: 24 * HOUR_MS, onTimeout: "reject" }]);
});

test("approvers: a decision of somebody who may not decide changes nothing, is seen, and the call waits again", async () => {
  const paid: number[] = [];
  const asked: DecisionToCheck[] = [];
  const approvers: FleetOptions["approvers"] = async (decision) => {
    asked.push(decision);
    if (decision.by === "ldap") throw new Error("directory is down");
    return decision.by === "ann" || (decision.by === "bob" ? { allowed: false, why: "bob is on leave" } : false);
  };
  const { fleet, model, run, open } = await waitingRun([call("refund", { amount: 5 }), say("done")], {
    tools: [refunding(paid)],
    options: { approvers },
  });
  const [callId = ""] = await open();
  for (const by of [undefined, "bob", "ldap"]) {
    await run.approve(callId, { by });
    await fleet.settle();
    expect(await open()).toEqual([callId]);
  }
  expect(paid).toEqual([]);
  await run.approve(callId, { by: "ann", arguments: { amount: 4 } });
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([4]);
  expect((await run.status()).decisions.map(({ refused }) => refused?.why)).toEqual([
    "Whoever gives no name may not decide on refund.",
    "bob is on leave",
    "The fleet's approvers failed: directory is down",
    undefined,
  ]);
  expect(asked.at(-1)).toEqual({
    runId: run.id,
    tenant: "acme",
    agent: "a",
    tool: "refund",
    callId,
    approve: true,
    by: "ann",
    arguments: { amount: 4 },
    always: false,
  });
  expect(model.calls).toHaveLength(2);
});

test("what was accepted and ran is not put in question by a later attempt", async () => {
  const paid: number[] = [];
  let annMayDecide = true;
  const { fleet, model, run, open } = await waitingRun(
    [answer(functionCall("refund", { amount: 1 }, { callId: "c1" }), functionCall("refund", { amount: 2 }, { callId: "c2" })), say("done")],
    { tools: [refunding(paid)], options: { approvers: ({ by }) => by === "bob" || (by === "ann" && annMayDecide) } },
  );
  const [first = "", second = ""] = await open();
  await run.approve(first, { by: "ann" });
  await run.approve(second, { by: "mallory" });
  await fleet.settle();
  expect(paid).toEqual([1]);
  expect(await open()).toEqual([second]);
  annMayDecide = false;
  await run.approve(second, { by: "bob" });
  await fleet.settle();
  expect(await run.output()).toBe("done");
  expect(paid).toEqual([1, 2]);
  expect(model.calls).toHaveLength(2);
});

test("a hook is told of each call that waits, with what a person needs to decide", async () => {
  const told: ApprovalRequest[] = [];
  const options = { hooks: { onApprovalRequested: (request: ApprovalRequest) => void told.push(request) } };
  const { fleet, run } = await waitingRun([call("refund", { amount: 5 }), say("done")], { tools: [refunding([])], options });
  expect(told).toMatchObject([{ runId: run.id, tenant: "acme", tool: "refund", agent: "a", arguments: '{"amount":5}' }]);
  expect(JSON.parse(told[0]?.parametersJson ?? "")).toMatchObject({ properties: { amount: { type: "number" } } });
  await fleet.settle();
  expect(told).toHaveLength(1);
  expect((await run.status()).announceAtMs).toBeUndefined();
});

test("a hook that fails never hurts the run and is called again until it succeeds", async () => {
  let calls = 0;
  const onApprovalRequested = async (): Promise<void> => {
    calls += 1;
    if (calls < 3) throw new Error("the chat is down");
  };
  const { fleet, run, open } = await waitingRun([call("refund", { amount: 5 }), say("done")], {
    tools: [refunding([])],
    options: { hooks: { onApprovalRequested } },
  });
  for (const _again of [1, 2]) await fleet.settle();
  expect(calls).toBe(3);
  expect(await run.status()).toMatchObject({ suspension: "approval" });
  await run.approve((await open())[0] ?? "");
  await fleet.settle();
  expect(await run.output()).toBe("done");
});

test("a worker that dies before it could announce leaves it to whoever looks next", async () => {
  const told: string[] = [];
  let died = false;
  const a = new Agent({ name: "a", model: "m", tools: [refunding([])] });
  const options = { hooks: { onApprovalRequested: ({ callId }: ApprovalRequest) => void told.push(callId) } };
  const fleet = testFleet(createFleet({ ...options, agents: { a } }), {
    models: { m: new ScriptedModel([call("refund", { amount: 5 })]) },
    // The attempt's suspension is stored; its reply, and with it the attempt, is lost.
    wrapStore: (store) => ({
      ...store,
      async end(command) {
        const reply = await store.end(command);
        if (died) return reply;
        died = true;
        throw new Error("the worker died");
      },
    }),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(told).toEqual((await fleet.info(run.id)).approvals.map(({ callId }) => callId));
  expect((await fleet.info(run.id)).announceAtMs).toBeUndefined();
});
