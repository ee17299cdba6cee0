/** What a fleet's calls cost, told by whom and for what. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { drawCosts } from "../../../src/cli/commands/costs.ts";
import { createFleet } from "../../../src/index.ts";
import { latencyAt, latencyBucket } from "../../../src/protocol/totals.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { dyingStore, once } from "../../support/dying-store.ts";
import { failing, pay, paying, priced } from "../../support/paying.ts";
import { say } from "../../support/script.ts";

const twoAgents = () => ({
  agents: {
    cheap: { agent: new Agent({ name: "cheap", model: "small" }), version: "7" },
    dear: new Agent({ name: "dear", model: "large" }),
  },
});

const setup = async () => {
  const models = { small: priced(new ScriptedModel([say("a"), say("b")]), 100), large: new ScriptedModel([say("c")]) };
  const fleet = testFleet(createFleet(twoAgents()), { models });
  await fleet.complete("cheap", "1", { tenant: "acme" });
  await fleet.complete("cheap", "2", { tenant: "other" });
  await fleet.complete("dear", "3", { tenant: "acme" });
  return fleet;
};

test("costs are told apart by what is asked for, and an unknown cost is unknown", async () => {
  const fleet = await setup();
  const { rows, total } = await fleet.costs({ by: ["agent", "version", "model"] });
  expect(rows).toEqual([
    expect.objectContaining({ agent: "cheap", version: "7", model: "small", calls: 2, costMicroUsd: 200, unknownCostCalls: 0 }),
    expect.objectContaining({ agent: "dear", version: "0", model: "large", calls: 1, unknownCostCalls: 1 }),
  ]);
  expect(rows[1]).not.toHaveProperty("costMicroUsd");
  expect(total).toMatchObject({
    calls: 3,
    costMicroUsd: 200,
    unknownCostCalls: 1,
    costBySource: { proxyMicroUsd: 0, pricesMicroUsd: 200 },
  });
});

test("I11 a tenant's costs hold nobody else's", async () => {
  const fleet = await setup();
  const { rows, total } = await fleet.costs({ by: ["tenant"], tenant: "acme" });
  expect(rows.map(({ tenant }) => tenant)).toEqual(["acme"]);
  expect(total).toMatchObject({ calls: 2, costMicroUsd: 100 });
});

test("costs are told by tag: a call counts for each tag of its run, in the total once, and a retry keeps them", async () => {
  const models = {
    small: priced(new ScriptedModel([say("a"), say("b"), say("d")]), 100),
    large: failing(new ScriptedModel([say("c")]), new Set([1])),
  };
  const fleet = testFleet(createFleet(twoAgents()), { models });
  await fleet.complete("cheap", "1", { tags: ["nightly", "import", "nightly"] });
  await fleet.complete("cheap", "2", { tags: ["import"] });
  await fleet.complete("cheap", "3");
  const failed = await fleet.submit("dear", "4", { tags: ["import"] });
  await fleet.settle();
  const retry = await failed.retry();
  await fleet.settle();
  expect(await retry.status()).toMatchObject({ status: "completed", tags: ["import"] });
  const report = await fleet.costs({ by: ["tag"] });
  expect(report.rows.map(({ tag, calls, costMicroUsd }) => [tag, calls, costMicroUsd])).toEqual([
    ["import", 3, 200],
    ["nightly", 1, 100],
    ["", 1, 100],
  ]);
  expect(report.total).toMatchObject({ calls: 4, costMicroUsd: 300, unknownCostCalls: 1 });
  expect(drawCosts(report, ["tag"]).join("\n")).toMatch(/^import .*\n^nightly .*\n^- .*\n^total +4 /m);
  const { rows } = await fleet.stats({ by: ["tag", "agent"] });
  expect(rows.map(({ tag, agent, turns }) => [tag, agent, turns])).toContainEqual(["import", "cheap", 2]);
});

test.each([[["a,b"]], [["tenant:acme"]], [[""]], [["*"]], [["x".repeat(65)]], [Array.from({ length: 9 }, (_, index) => `t${index}`)]])(
  "tags %j are refused",
  async (tags) => {
    const fleet = testFleet(createFleet(twoAgents()), { models: {} });
    await expect(fleet.submit("cheap", "1", { tags })).rejects.toMatchObject({ code: "INPUT_INVALID", at: expect.stringMatching(/^tags/) });
  },
);

test("I4 a call that is replayed after a crash costs nothing again", async () => {
  const keys: string[] = [];
  const a = new Agent({ name: "a", model: "m", tools: [paying(keys)] });
  const models = { m: priced(new ScriptedModel([pay(5), say("paid")]), 100) };
  const fleet = testFleet(createFleet({ agents: { a } }), {
    models,
    wrapStore: dyingStore(once((operation) => operation === "after record")),
  });
  const run = await fleet.submit("a", "go");
  await fleet.settle();
  expect(await run.status()).toMatchObject({ status: "completed", attempts: 2, usage: { requests: 2, costMicroUsd: 200 } });
  expect((await fleet.costs()).total).toMatchObject({ calls: 2, costMicroUsd: 200 });
});

test("days outside the range are left out, and a range that cannot be read is refused", async () => {
  const fleet = await setup();
  const { to } = await fleet.costs();
  await fleet.clock.advance(10 * 24 * 60 * 60 * 1_000);
  expect((await fleet.costs()).rows).toEqual([]);
  expect((await fleet.costs({ from: to })).total.calls).toBe(3);
  await expect(fleet.costs({ from: "2026-13-01" })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "from" });
  await expect(fleet.costs({ from: "2020-01-01", to })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "from" });
  await expect(fleet.costs({ from: to, to: "2020-01-01" })).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

test("the table says how many calls of unknown cost stand behind a sum", async () => {
  const fleet = await setup();
  const text = drawCosts(await fleet.costs({ by: ["agent"] }), ["agent"]).join("\n");
  expect(text).toMatch(/^AGENT +CALLS/);
  expect(text).toMatch(/^cheap .*\$0\.000200$/m);
  expect(text).toMatch(/^dear .*unknown \(1 call\)$/m);
  expect(text).toMatch(/^total .*\$0\.000200 \+ 1 call of unknown cost$/m);
});

test("latency is told per agent and version, within what its buckets know", async () => {
  const fleet = await setup();
  const report = await fleet.costs({ by: ["agent", "version"] });
  expect(report.rows).toMatchObject([
    { agent: "cheap", version: "7", calls: 2, latencyP50Ms: 50, latencyP95Ms: 50 },
    { agent: "dear", version: "0", calls: 1 },
  ]);
  expect(drawCosts(report, ["agent", "version"]).join("\n")).toMatch(/^cheap +7 +2 .* 50 ms +50 ms +\$0\.000200$/m);
});

test.each([60, 100, 999, 12_345, 600_000])("a percentile of calls that took %i ms is right within 19 %", (durationMs) => {
  const counts = Array.from({ length: 32 }, (_, bucket) => (bucket === latencyBucket(durationMs) ? 10 : 0));
  const told = latencyAt(counts, 0.95) ?? 0;
  expect(Math.max(told / durationMs, durationMs / told)).toBeLessThan(1.2);
});

test("percentiles are found by rank, and none of nothing", () => {
  expect(latencyAt([95, 0, 5], 0.95)).toBe(50);
  expect(latencyAt([94, 0, 6], 0.95)).toBe(84);
  expect(latencyAt([], 0.5)).toBeUndefined();
});

test.each([
  [0, 0],
  [50, 0],
  [51, 1],
  [71, 2],
  [100, 2],
  [101, 3],
  [60_000, 21],
  [86_400_000, 31],
])("a call of %i ms is counted in bucket %i", (durationMs, bucket) => {
  expect(latencyBucket(durationMs)).toBe(bucket);
});
