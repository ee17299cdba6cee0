/** How agents do, as the events of their runs tell it. */
import { Agent, type Model, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { drawStats } from "../../../src/cli/commands/stats.ts";
import type { Clock } from "../../../src/clock.ts";
import { createFleet, toolPolicy } from "../../../src/index.ts";
import { factsOf } from "../../../src/producers/stats/run-facts.ts";
import { createStatsBook } from "../../../src/producers/stats/stats-book.ts";
import { FleetError } from "../../../src/protocol/errors.ts";
import type { RunEvent } from "../../../src/protocol/events.ts";
import { RECEIPT_KEY } from "../../../src/protocol/receipt.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { dyingStore, once } from "../../support/dying-store.ts";
import { call, say } from "../../support/script.ts";

/** Takes its time, and says what it cost. */
const timed = (script: ScriptedModel, clock: () => Clock, durationMs: number): Model => ({
  getResponse: (request) => script.getResponse(request),
  async *getStreamedResponse(request) {
    await clock().sleep(durationMs);
    const providerData = { [RECEIPT_KEY]: { provider: "p", costSource: "prices", costMicroUsd: 100 } };
    for await (const event of script.getStreamedResponse(request))
      yield event.type === "response_done" ? { ...event, response: { ...event.response, providerData } } : event;
  },
});

/** Triage, which looks things up and hands off to refunds, of another version, which pays. */
function desk(scripts: { triage: ScriptedModel; refunds: ScriptedModel }, wrapStore = dyingStore(() => false)) {
  const clock = (): Clock => fleet.clock;
  const timedTool = (name: string, durationMs: number) =>
    toolPolicy(
      tool({
        name,
        description: name,
        parameters: z.object({}),
        execute: async () => {
          await clock().sleep(durationMs);
          return name;
        },
      }),
      { onCrash: "idempotent" },
    );
  const refunds = new Agent({ name: "refunds", model: "refunds", tools: [timedTool("pay", 3_000)] });
  const noPoems = {
    name: "no-poems",
    execute: async ({ input }: { input: unknown }) => ({ outputInfo: "a poem", tripwireTriggered: JSON.stringify(input).includes("poem") }),
  };
  const triage = new Agent({
    name: "triage",
    model: "triage",
    handoffs: [refunds],
    tools: [timedTool("look_up", 200)],
    inputGuardrails: [noPoems],
  });
  const models = { triage: timed(scripts.triage, clock, 1_000), refunds: timed(scripts.refunds, clock, 2_000) };
  const agents = { triage, refunds: { agent: refunds, version: "v2" } };
  const fleet = testFleet(createFleet({ agents, version: "v1" }), { models, wrapStore });
  return fleet;
}

const usual = () => ({
  triage: new ScriptedModel([call("look_up"), call("transfer_to_refunds"), say("nothing to do")]),
  refunds: new ScriptedModel([call("pay"), say("paid")]),
});

test("turns, tokens, costs, times, trips, ends and ways are told by agent and version", async () => {
  const fleet = desk(usual());
  await fleet.complete("triage", "refund me", { tenant: "acme" });
  await fleet.complete("triage", "just saying", { tenant: "acme" });
  await fleet.complete("triage", "a poem, please", { tenant: "other" });
  const report = await fleet.stats();
  const none = { completed: 0, "handed-off": 0, failed: 0, blocked: 0, refused: 0, cancelled: 0, expired: 0 };
  const at = (ms: number) => ({ p50Ms: ms, p95Ms: ms, p99Ms: ms });
  expect(report).toMatchObject({ runs: 3, isWhole: true });
  expect(report.rows).toEqual([
    {
      agent: "triage",
      version: "v1",
      hops: 3,
      ended: { ...none, completed: 1, "handed-off": 1, blocked: 1 },
      turns: 3,
      modelCalls: 3,
      inputTokens: 30,
      outputTokens: 15,
      costMicroUsd: 300,
      unknownCostCalls: 0,
      modelLatency: at(1_000),
      toolCalls: 1,
      toolLatency: at(200),
      retries: 0,
      lostAttempts: 0,
      guardrailTrips: 1,
    },
    expect.objectContaining({
      agent: "refunds",
      version: "v2",
      hops: 1,
      ended: { ...none, completed: 1 },
      turns: 2,
      modelLatency: at(2_000),
      toolLatency: at(3_000),
    }),
  ]);
  expect(report.total).toMatchObject({ hops: 4, turns: 5, costMicroUsd: 500, toolCalls: 2 });
  expect(report.tools).toEqual([
    { agent: "refunds", version: "v2", tool: "pay", calls: 1, latency: at(3_000) },
    { agent: "triage", version: "v1", tool: "look_up", calls: 1, latency: at(200) },
  ]);
  expect(report.guardrails).toEqual([{ agent: "triage", version: "v1", guardrail: "no-poems", kind: "input", trips: 1 }]);
  expect(report.paths).toEqual([
    { path: ["triage"], runs: 2, completed: 1 },
    { path: ["triage", "refunds"], runs: 1, completed: 1 },
  ]);
});

test("I4 a call that is replayed after a crash is told once, and the lost attempt too", async () => {
  const scripts = usual();
  const fleet = desk(scripts, dyingStore(once((operation, key) => operation === "after record" && key.startsWith("t:"))));
  await fleet.complete("triage", "refund me");
  const triage = (await fleet.stats()).rows.find(({ agent }) => agent === "triage");
  expect(triage).toMatchObject({ agent: "triage", hops: 1, turns: 2, modelCalls: 2, toolCalls: 1, lostAttempts: 1, retries: 0 });
});

test("I11 a tenant's stats hold nobody else's, and rows are told apart by what is asked for", async () => {
  const fleet = desk(usual());
  await fleet.complete("triage", "refund me", { tenant: "acme" });
  await fleet.complete("triage", "just saying", { tenant: "other" });
  const { rows, runs, paths } = await fleet.stats({ tenant: "acme", by: ["tenant"] });
  expect({ runs, paths }).toEqual({ runs: 1, paths: [{ path: ["triage", "refunds"], runs: 1, completed: 1 }] });
  expect(rows.map(({ tenant, hops }) => [tenant, hops])).toEqual([["acme", 2]]);
  const { rows: all } = await fleet.stats({ by: ["day", "tenant"] });
  expect(all.map(({ day, tenant, hops }) => [day, tenant, hops])).toEqual([
    ["2023-11-14", "acme", 2],
    ["2023-11-14", "other", 1],
  ]);
});

test("runs from before are left out, and a limit that left some out is told", async () => {
  const scripts = { triage: new ScriptedModel([say("1"), say("2"), say("3")]), refunds: new ScriptedModel([]) };
  const fleet = desk(scripts);
  await fleet.complete("triage", "1");
  const sinceAtMs = fleet.clock.nowMs() + 1;
  await fleet.clock.advance(1_000);
  await fleet.complete("triage", "2");
  await fleet.complete("triage", "3");
  expect(await fleet.stats({ sinceAtMs })).toMatchObject({ runs: 2, isWhole: true, total: { hops: 2 } });
  expect(await fleet.stats({ sinceAtMs, limit: 1 })).toMatchObject({ runs: 1, isWhole: false, total: { hops: 1 } });
  await expect(fleet.stats({ limit: 0 })).rejects.toMatchObject({ code: "INPUT_INVALID", at: "limit" });
  await expect(fleet.stats(JSON.parse('{"by":["moon"]}'))).rejects.toMatchObject({ code: "INPUT_INVALID", at: "by.0" });
});

test("a run whose key is lost hides no other", async () => {
  const sealed = new Set<string>();
  const fleet = desk(usual(), (store) => ({
    ...store,
    events: (runId, ...more) =>
      sealed.has(runId) ? Promise.reject(new FleetError("PAYLOAD_KEY_MISSING", "No key.")) : store.events(runId, ...more),
  }));
  await fleet.complete("triage", "refund me");
  sealed.add((await fleet.submit("triage", "a secret")).id);
  expect(await fleet.stats()).toMatchObject({ runs: 2, unreadable: 1, total: { hops: 2 } });
});

test("the tables hold what a person asks for first, and say what was left out", async () => {
  const fleet = desk(usual());
  await fleet.complete("triage", "refund me");
  await fleet.complete("triage", "a poem");
  const report = await fleet.stats();
  const text = drawStats({ ...report, isWhole: false }, ["agent", "version"]).join("\n");
  expect(text).toMatch(/^AGENT +VERSION +HOPS +TURNS +TOKENS +COST +MODEL P50 +P95 +TOOL P50 +P95 +RETRIES +TRIPS +ENDED$/m);
  expect(text).toMatch(/^triage +v1 +2 +2 +30 +\$0\.000200 +1\.0 s +1\.0 s +200 ms +200 ms +0 +1 +1 handed-off, 1 blocked$/m);
  expect(text).toMatch(/^pay +refunds +v2 +1 +3\.0 s +3\.0 s$/m);
  expect(text).toMatch(/^no-poems +input +triage +v1 +1$/m);
  expect(text).toMatch(/^1 +1 +triage → refunds$/m);
  expect(text).toMatch(/2 runs submitted since 2023-11-07 .* UTC; older ones were left out, see --limit\./);
});

describe("what the events of a run tell", () => {
  const at = { atMs: 1_700_000_000_000, hop: 0, agent: "a" } as const;
  const started = (attempt: number, version?: string): RunEvent => ({
    ...at,
    type: "attempt.started",
    attempt,
    wake: attempt,
    worker: "w",
    ...(version === undefined ? {} : { version }),
  });
  const usage = { requests: 1, inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0 };
  const turn: RunEvent = { ...at, type: "turn.completed", turn: 1, attempt: 1, model: "m", text: "", toolCalls: [], usage, durationMs: 7 };
  const error = { code: "MODEL_UNAVAILABLE", message: "away" };
  const queued: RunEvent = { ...at, type: "run.queued", queue: "q" };

  test("a hop whose version changes in its middle is one hop of the first, and what comes after is the second's", () => {
    const { parts } = factsOf([
      queued,
      started(1, "1"),
      turn,
      { ...at, type: "run.retrying", notBeforeMs: 0, error },
      started(2, "2"),
      turn,
      { ...at, type: "run.failed", error },
    ]);
    expect(parts).toMatchObject([
      { version: "1", isFirst: true, turns: 1, retries: 1, end: undefined },
      { version: "2", isFirst: false, turns: 1, retries: 0, end: "failed" },
    ]);
  });

  test("a worker without the agent makes no version of its own", () => {
    const { parts } = factsOf([queued, started(1), started(2, "2"), turn]);
    expect(parts).toMatchObject([{ version: "2", isFirst: true, turns: 1 }]);
  });

  test("a run that ended before anybody took it has its agent and no version", () => {
    const facts = factsOf([queued, { ...at, type: "run.cancelled" }]);
    expect(facts).toMatchObject({ path: ["a"], end: "cancelled", parts: [{ agent: "a", version: "", end: "cancelled", turns: 0 }] });
  });

  test("a tool that was answered from an earlier run took no time", () => {
    const recorded = {
      ...at,
      type: "tool.completed",
      callId: "c",
      tool: "t",
      ok: true,
      preview: "",
      durationMs: 0,
      recorded: true,
    } as const;
    expect(factsOf([started(1, "1"), recorded]).parts[0]?.toolTimes).toEqual([]);
  });

  test("a late fact of an attempt that lost its run belongs to its own hop", () => {
    const { parts } = factsOf([
      started(1, "1"),
      { ...at, type: "run.handed-off", to: "b" },
      { ...started(2, "9"), hop: 1, agent: "b" },
      turn,
    ]);
    expect(parts).toMatchObject([
      { agent: "a", turns: 1 },
      { agent: "b", turns: 0 },
    ]);
  });

  test("I9 a way in circles is cut, and counted with those that are like it", () => {
    const circles = Array.from({ length: 100 }, (_, hop): RunEvent => ({ ...at, type: "run.handed-off", to: hop % 2 === 0 ? "b" : "a" }));
    const book = createStatsBook(["agent"]);
    for (const count of [100, 50]) book.add({ tenant: "t" }, factsOf([queued, ...circles.slice(0, count)]));
    const [way, ...others] = book.tables().paths;
    expect(others).toEqual([]);
    expect(way).toMatchObject({ runs: 2, completed: 0 });
    expect(way?.path).toHaveLength(21);
  });
});
