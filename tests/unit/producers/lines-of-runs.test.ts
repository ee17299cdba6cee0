/** Second chances of second chances: a run of a line goes back to what its sources hold, and takes over what belongs to its own past alone. */
import { Agent, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { failing, handOff, pay, twoHops } from "../../support/paying.ts";
import { call, say } from "../../support/script.ts";
import { refunding } from "../../support/waiting-run.ts";

/** A retry that begins at the second hop of its source, whose first hop marked and handed off. */
async function retriedLater(keys: string[], more: ConstructorParameters<typeof ScriptedModel>[0]) {
  const script = new ScriptedModel([handOff(), call("mark"), pay(5), say("retried"), ...(more as never[])]);
  const fleet = twoHops(keys, failing(script, new Set([4])));
  const run = await fleet.submit("a", "go", { tenant: "acme", context: { marks: 0 }, deadlineMs: 60_000 });
  await fleet.settle();
  const retry = await run.retry();
  await fleet.settle();
  expect(await retry.output()).toBe("retried");
  return { fleet, script, run, retry };
}

test("a retry that began at a later hop is replayed from the beginning, with the tools answered from the whole line", async () => {
  const keys: string[] = [];
  const { fleet, script, retry } = await retriedLater(keys, [handOff(), call("mark"), pay(5), say("replayed")]);
  const replay = await retry.replay();
  await fleet.settle();
  expect(await replay.output()).toBe("replayed");
  expect(script.calls[4]?.request.input).toEqual(script.calls[0]?.request.input);
  expect(JSON.stringify(script.calls.at(-1)?.request.input)).toMatch(/marked 1.*paid 5/);
  expect(keys).toHaveLength(1);
  expect(await fleet.info(replay.id)).toMatchObject({ origin: { runId: retry.id, kind: "replay", hop: 0, turn: 1 }, entryAgent: "a" });
});

test("a retry that began at a later hop is forked at a turn of a hop before it", async () => {
  const keys: string[] = [];
  const { fleet, retry } = await retriedLater(keys, [handOff(), pay(5), say("forked")]);
  const fork = await retry.fork({ turn: 1 });
  await fleet.settle();
  expect(await fork.output()).toBe("forked");
  expect(keys).toHaveLength(1);
  expect((await fleet.eventsOf(fork.id)).filter(({ type }) => type.startsWith("tool."))).toMatchObject([{ tool: "pay", recorded: true }]);
});

test("a second chance has as much time as its source was given", async () => {
  const { fleet, run, retry } = await retriedLater([], []);
  for (const { id } of [run, retry]) {
    const { createdAtMs, deadlineAtMs } = await fleet.info(id);
    expect(deadlineAtMs - createdAtMs).toBe(60_000);
  }
});

test("a fork is not bound by what people said of later calls: nothing of that is standing, and a loop is told again", async () => {
  const ran: string[] = [];
  const ask = tool({
    name: "ask",
    description: "x",
    parameters: z.object({}),
    needsApproval: true,
    execute: () => String(ran.push("ask")),
  });
  const look = toolPolicy(tool({ name: "look", description: "x", parameters: z.object({}), execute: () => "same" }), {
    onCrash: "idempotent",
  });
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(ask, { onCrash: "idempotent" }), look] });
  const limits = { repeats: { calls: 2, onLoop: "ask" as const } };
  const looks = [call("look"), call("look"), call("look")];
  const script = new ScriptedModel([...looks, call("ask"), say("old"), ...looks.slice(1), call("ask"), say("new")]);
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, limits } } }), { models: { m: script } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  await run.resolve(undefined, { type: "continue" });
  await fleet.settle();
  const [approval] = (await fleet.info(run.id)).approvals;
  await run.approve(approval?.callId ?? "", { always: true });
  await fleet.settle();
  expect(await run.output()).toBe("old");

  const fork = await run.fork({ turn: 2, tools: "live" });
  await fleet.settle();
  expect(await fleet.info(fork.id)).toMatchObject({ status: "suspended", suspension: "loop" });
  await fork.resolve(undefined, { type: "continue" });
  await fleet.settle();
  expect(await fleet.info(fork.id)).toMatchObject({ status: "suspended", suspension: "approval" });
  expect(ran).toHaveLength(1);
});

test("I5: a retry takes over what people edited: the effect stays as it was made, and the model is shown what ran", async () => {
  const paid: number[] = [];
  const script = new ScriptedModel([call("refund", { amount: 500 }), say("done")]);
  const a = new Agent({ name: "a", model: "m", tools: [refunding(paid)] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: failing(script, new Set([2])) } });
  const run = await fleet.submit("a", "go", { conversation: "talk" });
  const behind = await fleet.submit("a", "behind", { conversation: "talk" });
  await fleet.settle();
  const [approval] = (await fleet.info(run.id)).approvals;
  await run.approve(approval?.callId ?? "", { arguments: { amount: 50 }, by: "ann" });
  await behind.cancel();
  await fleet.settle();
  expect(await run.result()).toMatchObject({ status: "failed" });
  const retry = await run.retry();
  await fleet.settle();
  expect(await retry.output()).toBe("done");
  expect(paid).toEqual([50]);
  expect(script.calls).toHaveLength(2);
  expect(JSON.stringify(script.calls[1]?.request.input)).not.toContain("500");
  expect((await fleet.info(retry.id)).decisions).toMatchObject([{ by: "ann", arguments: '{"amount":50}' }]);
  expect(await fleet.conversations.turns("talk")).toMatchObject([{ id: retry.id }]);
});
