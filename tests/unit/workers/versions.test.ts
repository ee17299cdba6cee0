/** Which code a hop began under, and what becomes of it when another one goes on with it. */
import { Agent, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { CatalogEntry } from "../../../src/agents/catalog.ts";
import { createFleet, type FleetOptions } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { call, say } from "../../support/script.ts";

const risky = (description: string) =>
  tool({ name: "risky", description, parameters: z.object({}), needsApproval: true, execute: async () => "did it" });

const agent = (instructions: string, description = "Does it.") =>
  new Agent({ name: "a", model: "m", instructions, tools: [risky(description)] });

type Policy = Pick<FleetOptions, "version" | "onVersionChange">;

/** A run that waits for a person, under `before`; from then on its worker has `after`. */
async function deployedOver(before: Agent, after: Agent, policy: { readonly before: Policy; readonly after: Policy }) {
  const script = new ScriptedModel([call("risky"), say("done")]);
  const old = createFleet({ agents: { a: before }, ...policy.before });
  const fleet = testFleet(old, { models: { m: script } });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  const entry = createFleet({ agents: { a: after }, ...policy.after }).catalog.get("a");
  if (entry === undefined) throw new Error("the new fleet has the agent");
  (old.catalog as Map<string, CatalogEntry>).set("a", entry);
  const [approval] = (await fleet.info(run.id)).approvals;
  await run.approve(approval?.callId ?? "");
  await fleet.settle();
  return { fleet, run, script };
}

test("each attempt says in the record and in its event which version of the agent it runs", async () => {
  const same = agent("Be brief.");
  const { fleet, run } = await deployedOver(same, same, { before: { version: "v1" }, after: { version: "v2" } });
  expect(await run.output()).toBe("done");
  const started = (await fleet.eventsOf(run.id)).filter(({ type }) => type === "attempt.started");
  expect(started).toMatchObject([{ version: "v1" }, { version: "v2" }]);
  expect((await fleet.info(run.id)).build).toMatchObject({ version: "v2", fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/) });
});

test("a fingerprint follows instructions and tools, and not what stays the same", async () => {
  const buildOf = async (made: Agent): Promise<string | undefined> => {
    const fleet = testFleet(createFleet({ agents: { a: made } }), { models: { m: new ScriptedModel([say("x")]) } });
    const run = await fleet.submit("a", "go");
    await fleet.settle();
    return (await fleet.info(run.id)).build?.fingerprint;
  };
  const [one, again, words, tools] = await Promise.all([agent("a"), agent("a"), agent("b"), agent("a", "Does more.")].map(buildOf));
  expect(one).toBe(again);
  expect(new Set([one, words, tools]).size).toBe(3);
});

test("onVersionChange fail: a hop that began under another version fails with both named, before anything runs", async () => {
  const { fleet, run, script } = await deployedOver(agent("old"), agent("new"), {
    before: { version: "v1" },
    after: { version: "v2", onVersionChange: "fail" },
  });
  const { error } = await fleet.info(run.id);
  expect(error?.code).toBe("AGENT_CHANGED");
  expect(error?.message).toMatch(/a .*v1 \([0-9a-f]{12}\).*v2 \([0-9a-f]{12}\)/);
  expect(script.calls).toHaveLength(1);
  // A retry goes on with the hop, and so under its version; a fork begins under the code that is there, with what was paid and decided.
  const retry = await run.retry();
  const fork = await run.fork({ turn: 2, tools: "live" });
  await fleet.settle();
  expect(await retry.result()).toMatchObject({ status: "failed", error: { code: "AGENT_CHANGED" } });
  expect(await fork.output()).toBe("done");
  expect(script.calls).toHaveLength(2);
});

test("onVersionChange fail: the same version goes on, whatever the deploys between", async () => {
  const same = agent("Be brief.");
  const policy: Policy = { version: "v1", onVersionChange: "fail" };
  const { run } = await deployedOver(same, same, { before: policy, after: policy });
  expect(await run.output()).toBe("done");
});

test("onVersionChange continue: code that no longer fits the journal suspends the run, says what differs, and is counted", async () => {
  const { fleet, run } = await deployedOver(agent("old words"), agent("new words", "Does more."), { before: {}, after: {} });
  const info = await fleet.info(run.id);
  expect(info).toMatchObject({ status: "suspended", suspension: "replay-diverged", divergences: 1 });
  expect(info.error?.message).toContain("m:0:0");
  expect(info.error?.message).toContain("different: the instructions, the tools or handoffs");
  expect(info.error?.message).not.toMatch(/words|Does more/);
  await run.resolve(undefined, { type: "fail" });
  expect(await fleet.info(run.id)).toMatchObject({ status: "failed" });
});

test("FLOTILLA_VERSION names the deploy where the fleet does not", () => {
  const versionOf = (options: Partial<FleetOptions>) => createFleet({ agents: { a: agent("x") }, ...options }).catalog.get("a")?.version;
  expect(versionOf({ env: { FLOTILLA_VERSION: "abc" } })).toBe("abc");
  expect(versionOf({ env: { FLOTILLA_VERSION: "abc" }, version: "own" })).toBe("own");
  expect(versionOf({ env: {} })).toBe("0");
  expect(() => versionOf({ version: "a\nb" })).toThrow(expect.objectContaining({ code: "AGENT_INVALID" }));
});
