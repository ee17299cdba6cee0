/** The example of docs/how-to/stats.md does what the page says. */
import { Agent } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { worse } from "../../../examples/stats/worse.ts";
import { createFleet } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { failing } from "../../support/paying.ts";
import { say } from "../../support/script.ts";

const of = (version: string) => createFleet({ agents: { a: new Agent({ name: "a", model: "m" }) }, version });

test("docs/how-to/stats.md: a version that fails more often is told, and one that nobody ran", async () => {
  const good = testFleet(of("1"), { models: { m: new ScriptedModel([say("fine")]) } });
  await good.complete("a", "go");
  const bad = testFleet(of("2"), { models: { m: failing(new ScriptedModel([]), new Set([1])) } });
  await bad.complete("a", "go");
  const both = { stats: async () => ({ ...(await good.stats()), rows: [...(await good.stats()).rows, ...(await bad.stats()).rows] }) };
  expect(await worse(both, "a", ["1", "2"], 0)).toEqual(["more of its hops fail"]);
  expect(await worse(both, "a", ["2", "1"], 0)).toEqual([]);
  const report = await good.stats();
  const fresh = { stats: async () => ({ ...report, rows: report.rows.flatMap((row) => [row, { ...row, version: "2", hops: 0 }]) }) };
  expect(await worse(fresh, "a", ["1", "2"], 0)).toEqual([]);
  expect(await worse(good, "a", ["1", "2"], 0)).toEqual(["one of the two had no run"]);
});
