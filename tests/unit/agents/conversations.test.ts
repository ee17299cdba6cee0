/** Runs of one conversation: what each is shown, what each leaves, and what a crash in between does. */
import { Agent, handoff, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { guardInput, maxLength } from "../../../src/guardrails/index.ts";
import { createFleet, toolPolicy } from "../../../src/index.ts";
import type { RunStore } from "../../../src/protocol/run-store.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { counted, dyingStore, once } from "../../support/dying-store.ts";
import { call, say } from "../../support/script.ts";

const conversation = "talk";
const key = { tenant: "default", id: conversation };

/** What the model was shown at its call number `index`, in short. */
function shown(model: ScriptedModel, index: number): string[] {
  const input = model.calls[index]?.request.input;
  return (typeof input === "string" ? [] : (input ?? [])).map((item) => {
    if (item.type === "function_call") return `call ${item.name}`;
    if (item.type === "function_call_result") return `result ${item.name}`;
    return `${"role" in item ? item.role : item.type}: ${"content" in item ? textOf(item.content) : ""}`;
  });
}

const textOf = (content: unknown): string =>
  typeof content === "string" ? content : Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? "").join("") : "";

const keptIn = async (store: RunStore): Promise<string[]> => (await store.conversations.turns(key)).map(({ id }) => id);

function single(answers: ConstructorParameters<typeof ScriptedModel>[0], wrapStore?: (store: RunStore) => RunStore) {
  const model = new ScriptedModel(answers);
  const a = new Agent({ name: "a", model: "m" });
  return {
    model,
    fleet: testFleet(createFleet({ agents: { a } }), { models: { m: model }, ...(wrapStore === undefined ? {} : { wrapStore }) }),
  };
}

test("conversation: runs submitted at once take turns in their order, and each is shown what the earlier ones left", async () => {
  const { model, fleet } = single([say("one"), say("two"), say("three")]);
  const runs = [];
  for (const input of ["first", "second", "third"]) runs.push(await fleet.submit("a", input, { conversation }));
  expect(await Promise.all(runs.map(async ({ id }) => (await fleet.info(id)).status))).toEqual(["queued", "suspended", "suspended"]);
  await fleet.settle();
  expect(await Promise.all(runs.map(async (run) => (await run.result()).status))).toEqual(["completed", "completed", "completed"]);
  expect(shown(model, 2)).toEqual(["user: first", "assistant: one", "user: second", "assistant: two", "user: third"]);
  expect(await keptIn(fleet.store)).toEqual(runs.map(({ id }) => id));
});

test("conversation: a run that fails or is cancelled leaves no half turn", async () => {
  const ran: string[] = [];
  const model = new ScriptedModel([say("one"), call("step"), call("step"), say("three")]);
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(counted("step", ran), { onCrash: "idempotent" })] });
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, limits: { turns: 2 } } } }), { models: { m: model } });
  const first = await fleet.submit("a", "first", { conversation });
  const failing = await fleet.submit("a", "never ends", { conversation });
  const cancelled = await fleet.submit("a", "cancelled", { conversation });
  const last = await fleet.submit("a", "last", { conversation });
  await cancelled.cancel();
  await fleet.settle();
  expect(await failing.result()).toMatchObject({ status: "failed", error: { code: "TURN_LIMIT" } });
  expect(await last.result()).toMatchObject({ status: "completed" });
  expect(ran).toEqual(["step", "step"]);
  expect(shown(model, 3)).toEqual(["user: first", "assistant: one", "user: last"]);
  expect(await keptIn(fleet.store)).toEqual([first.id, last.id]);
});

test("conversation: each run's tool calls have ids of their own, so that none is taken for one of an earlier run", async () => {
  const ran: string[] = [];
  const model = new ScriptedModel([call("step"), say("one"), call("step"), say("two"), call("step"), say("three")]);
  const a = new Agent({ name: "a", model: "m", tools: [toolPolicy(counted("step", ran), { onCrash: "idempotent" })] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  for (const input of ["1", "2", "3"]) expect(await fleet.complete("a", input, { conversation })).toMatchObject({ status: "completed" });
  expect(ran).toHaveLength(3);
  const items = await fleet.conversations.items(conversation);
  const called = items.flatMap((item) => (JSON.stringify(item).includes('"function_call"') ? [(item as { callId: string }).callId] : []));
  expect(new Set(called).size).toBe(3);
});

test("conversation: who dies between the end and the wake of the next run leaves that to the reconciler", async () => {
  let died = false;
  const { fleet } = single([say("one"), say("two")], (store) => ({
    ...store,
    look: async (runId, policy) => {
      if (!died) {
        died = true;
        throw new Error("dead");
      }
      return store.look(runId, policy);
    },
  }));
  await fleet.submit("a", "first", { conversation });
  const second = await fleet.submit("a", "second", { conversation });
  await fleet.settle();
  expect(died).toBe(true);
  expect(await second.result()).toMatchObject({ status: "completed", output: "two" });
});

test("conversation I4: after a crash the run is shown the same again, and its turn is kept once", async () => {
  const { model, fleet } = single(
    [say("one"), say("two")],
    dyingStore(once((operation, fact) => operation === "after record" && fact.startsWith("m:"))),
  );
  for (const input of ["first", "second"]) await fleet.submit("a", input, { conversation });
  await fleet.settle();
  expect(model.calls).toHaveLength(2);
  expect(shown(model, 1)).toEqual(["user: first", "assistant: one", "user: second"]);
  expect(await keptIn(fleet.store)).toHaveLength(2);
});

test("conversation: a run that waits for an approval keeps the turn, and its whole way is one turn", async () => {
  const pay = tool({ name: "pay", description: "Pays.", parameters: z.object({}), needsApproval: true, execute: async () => "paid" });
  const model = new ScriptedModel([call("pay"), say("done"), say("next")]);
  const a = new Agent({ name: "a", model: "m", tools: [pay] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: model } });
  const first = await fleet.submit("a", "pay", { conversation });
  const second = await fleet.submit("a", "and then", { conversation });
  await fleet.settle();
  expect(await fleet.info(second.id)).toMatchObject({ status: "suspended", suspension: "conversation", attempts: 0 });
  const [approval] = (await fleet.info(first.id)).approvals;
  await first.approve(approval?.callId ?? "");
  await fleet.settle();
  expect(await second.result()).toMatchObject({ status: "completed", output: "next" });
  expect(shown(model, 2)).toEqual(["user: pay", "call pay", "result pay", "assistant: done", "user: and then"]);
});

test("conversation: the turn is kept as it was before a handoff's filter rewrote it, and the filter sees the whole conversation", async () => {
  const b = new Agent({ name: "b", model: "b" });
  const c = new Agent({ name: "c", model: "c" });
  const filtered = new Agent({
    name: "a",
    model: "a",
    handoffs: [
      handoff(b, {
        inputFilter: (data) => ({
          ...data,
          inputHistory: (typeof data.inputHistory === "string" ? [] : data.inputHistory).slice(-1),
          preHandoffItems: [],
          newItems: [],
        }),
      }),
    ],
  });
  b.handoffs = [c];
  const models = {
    a: new ScriptedModel([call("transfer_to_b"), call("transfer_to_b")]),
    b: new ScriptedModel([call("transfer_to_c"), call("transfer_to_c")]),
    c: new ScriptedModel([say("first answer"), say("second answer")]),
  };
  const fleet = testFleet(createFleet({ agents: { a: filtered, b, c } }), { models });
  for (const input of ["first", "second"])
    expect(await fleet.complete("a", input, { conversation })).toMatchObject({ status: "completed" });
  const way = ["call transfer_to_b", "result transfer_to_b", "call transfer_to_c", "result transfer_to_c"];
  expect(shown(models.a, 1)).toEqual(["user: first", ...way, "assistant: first answer", "user: second"]);
  // The filter kept the last item of the history only, and nothing of the conversation came back behind it.
  expect(shown(models.b, 1)).toEqual(["user: second"]);
  expect(shown(models.c, 1)).toEqual(["user: second", "call transfer_to_c", "result transfer_to_c"]);
  const [, second] = await fleet.store.conversations.turns(key);
  expect(JSON.parse(second?.itemsJson ?? "[]")).toHaveLength(6);
});

test("conversation: over its limit, older turns are left out whole, so that no result loses its call", async () => {
  const ran: string[] = [];
  const step = toolPolicy(counted("step", ran), { onCrash: "idempotent" });
  const model = new ScriptedModel([call("step"), say("one"), say("two"), say("three"), say("four")]);
  const a = new Agent({ name: "a", model: "m", tools: [step] });
  const compact = { overItems: 5, keepTurns: 1, how: "drop-oldest" } as const;
  const fleet = testFleet(createFleet({ agents: { a }, conversation: { compact } }), { models: { m: model } });
  const ids = [];
  for (const input of ["1", "2", "3", "4"]) ids.push((await fleet.complete("a", input, { conversation }))?.runId);
  expect(shown(model, 3)).toEqual(["user: 2", "assistant: two", "user: 3"]);
  expect(await keptIn(fleet.store)).toEqual(ids.slice(1));
});

test("conversation: a summary of older turns is one journaled call of the run, replayed after a crash and kept with the turn", async () => {
  const summariser = new ScriptedModel([say("they counted to two")]);
  const model = new ScriptedModel([say("one"), say("two"), say("three"), say("four")]);
  const a = new Agent({ name: "a", model: "m" });
  const compact = { overTokens: 10, keepTurns: 1, how: { summariseWith: "small" } } as const;
  let calls = 0;
  const fleet = testFleet(createFleet({ agents: { a: { agent: a, conversation: { compact } } } }), {
    models: { m: model, small: summariser },
    // The third run dies when its summary is journaled: its first call.
    wrapStore: dyingStore(once((operation, fact) => operation === "after record" && fact.startsWith("m:") && ++calls === 3)),
  });
  for (const input of ["1", "2"]) await fleet.complete("a", input, { conversation });
  const turns = await fleet.store.conversations.turns(key);
  expect(turns.map(({ contextTokens }) => contextTokens > 10)).toEqual([true, true]);
  const third = await fleet.submit("a", "3", { conversation });
  await fleet.settle();
  expect(await third.result()).toMatchObject({ status: "completed", output: "three" });
  expect(summariser.calls).toHaveLength(1);
  expect((await fleet.info(third.id)).usage.requests).toBe(2);
  const summary = "user: Summary of the conversation so far:\nthey counted to two";
  expect(shown(model, 2)).toEqual([summary, "user: 2", "assistant: two", "user: 3"]);
  expect((await fleet.store.conversations.turns(key)).map(({ type }) => type)).toEqual(["summary", "run", "run"]);
});

test("conversation: a summary is shown to the agents behind a handoff as well, and nothing of it is kept when the run fails", async () => {
  const b = new Agent({ name: "b", model: "b" });
  const a = new Agent({ name: "a", model: "a", handoffs: [b] });
  const models = {
    a: new ScriptedModel([say("one"), say("two"), call("transfer_to_b"), call("transfer_to_b")]),
    b: new ScriptedModel([call("none"), say("four")]),
    small: new ScriptedModel([say("a summary"), say("another summary")]),
  };
  const compact = { overTokens: 10, keepTurns: 1, how: { summariseWith: "small" } } as const;
  const agents = { a, b: { agent: b, limits: { turns: 1 } } };
  const fleet = testFleet(createFleet({ agents, conversation: { compact } }), { models });
  for (const input of ["1", "2"]) await fleet.complete("a", input, { conversation });
  const before = await fleet.store.conversations.turns(key);
  expect(await fleet.complete("a", "3", { conversation })).toMatchObject({ status: "failed" });
  expect(await fleet.store.conversations.turns(key)).toEqual(before);
  expect(await fleet.complete("a", "4", { conversation })).toMatchObject({ status: "completed", output: "four" });
  const way = ["call transfer_to_b", "result transfer_to_b"];
  const shownToB = ["user: 2", "assistant: two", "user: 4", ...way];
  expect(shown(models.b, 1)).toEqual(["user: Summary of the conversation so far:\nanother summary", ...shownToB]);
  const after = await fleet.store.conversations.turns(key);
  expect(after.map(({ type }) => type)).toEqual(["summary", "run", "run"]);
  expect(after[1]).toEqual(before[1]);
  expect(JSON.parse(after[2]?.itemsJson ?? "[]")).toHaveLength(4);
});

test("conversation: a delay, and an id that no key can hold, are refused; the same idempotency key in another conversation is a conflict", async () => {
  const { fleet } = single([say("one")]);
  const refused = { code: "INPUT_INVALID" };
  await expect(fleet.submit("a", "x", { conversation, delayMs: 1 })).rejects.toMatchObject({ ...refused, at: "delayMs" });
  for (const id of ["", "a:b", "a/b", "a b", "x".repeat(129)])
    await expect(fleet.submit("a", "x", { conversation: id })).rejects.toMatchObject({ ...refused, at: "conversation" });
  const options = { conversation, idempotencyKey: "k" };
  const run = await fleet.submit("a", "x", options);
  expect((await fleet.submit("a", "x", options)).id).toBe(run.id);
  await expect(fleet.submit("a", "x", { ...options, conversation: "other" })).rejects.toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  await fleet.settle();
  expect(await keptIn(fleet.store)).toEqual([run.id]);
});

test.each(["entry-only", "every-hop"] as const)(
  "conversation: input guardrails that are %s look at what they should",
  async (guardrails) => {
    const inputGuardrails = [guardInput(maxLength(12))];
    const a = new Agent({ name: "a", model: "m", inputGuardrails });
    // A summary is made before the run that it is made for is guarded, and goes with a run that is blocked.
    const answers = ["one", "two", "sum", "sum again", "three"].map(say);
    const compact = { overItems: 3, keepTurns: 1, how: { summariseWith: "m" } };
    const fleet = testFleet(createFleet({ agents: { a: { agent: a, guardrails } }, conversation: { compact } }), {
      models: { m: new ScriptedModel(answers) },
    });
    const runs = [];
    for (const input of ["first words", "second word", "far too many words", "third words"]) {
      runs.push(await fleet.submit("a", input, { conversation }));
    }
    await fleet.settle();
    const ended = await Promise.all(runs.map(async (run) => (await run.result()).status));
    // On the whole conversation only what fits with all that went before is let through: that is `every-hop`.
    const isEntryOnly = guardrails === "entry-only";
    expect(ended).toEqual(
      isEntryOnly ? ["completed", "completed", "blocked", "completed"] : ["completed", "blocked", "blocked", "blocked"],
    );
    expect(await fleet.conversations.items(conversation)).toHaveLength(isEntryOnly ? 5 : 2);
  },
);
