import { expect, test } from "vitest";
import { exitOf, unevenQueues } from "../../../src/cli/commands/doctor.ts";
import { isSourceChange } from "../../../src/cli/commands/dev.ts";
import { resolutionOf } from "../../../src/cli/commands/runs-resolve.ts";
import { drawWay } from "../../../src/cli/event-lines.ts";
import { formatMs, oneLine, printable, table } from "../../../src/cli/io.ts";
import { readSettings } from "../../../src/cli/settings.ts";
import type { RunEvent } from "../../../src/protocol/events.ts";
import { NO_USAGE } from "../../../src/protocol/run.ts";

const at = (atMs: number, hop: number, agent: string) => ({ atMs, hop, agent });

test("the way of a run has one block per hop and one line per step", () => {
  const events: RunEvent[] = [
    { type: "run.queued", ...at(0, 0, "triage"), queue: "default" },
    { type: "attempt.started", ...at(100, 0, "triage"), attempt: 1, wake: 0, worker: "w1" },
    {
      type: "turn.completed",
      ...at(900, 0, "triage"),
      turn: 1,
      attempt: 1,
      model: "m",
      text: "",
      toolCalls: [{ callId: "c", tool: "find", arguments: '{"a":1}' }],
      usage: { ...NO_USAGE, inputTokens: 1_200, outputTokens: 34 },
      durationMs: 800,
    },
    { type: "tool.started", ...at(901, 0, "triage"), callId: "c", tool: "find" },
    { type: "tool.completed", ...at(910, 0, "triage"), callId: "c", tool: "find", ok: true, preview: "found\nit", durationMs: 9 },
    { type: "run.handed-off", ...at(920, 0, "triage"), to: "refunds" },
    { type: "run.completed", ...at(2_000, 1, "refunds"), output: "done" },
  ];
  expect(drawWay(events)).toEqual([
    "● triage  hop 0",
    "│        +0 ms  queued for triage in queue default",
    "│      +100 ms  attempt 1 on w1",
    '│      +900 ms  turn 1  m  1,200 in / 34 out tokens  800 ms  → find({"a":1})',
    "│      +910 ms  tool find ok  9 ms  found it",
    "│      +920 ms  handed off to refunds",
    "│       +2.0 s  completed",
  ]);
});

test("each hop says what it cost, and how many calls have no known cost", () => {
  const usage = { ...NO_USAGE, requests: 1, inputTokens: 10, outputTokens: 5 };
  const receipt = { provider: "p", costSource: "prices", costMicroUsd: 1_500 } as const;
  const call = { type: "model.called", scope: "main", model: "m", usage, durationMs: 1 } as const;
  const events: RunEvent[] = [
    { ...call, ...at(0, 0, "triage"), receipt },
    { ...call, ...at(1, 0, "triage") },
    { ...call, ...at(2, 1, "refunds") },
  ];
  expect(drawWay(events).filter((line) => line.startsWith("●"))).toEqual([
    "● triage  hop 0  20 in / 10 out tokens, $0.001500 + 1 call of unknown cost",
    "● refunds  hop 1  10 in / 5 out tokens, cost of 1 call unknown",
  ]);
});

test("text from a model cannot drive the terminal", () => {
  expect(printable("a\u001b[2Jb\u0007c\td\n")).toBe("a[2Jbc\td\n");
  expect(oneLine("a\nb\u001b]0;x\u0007", 10)).toBe("a b]0;x");
  expect(oneLine("abcdefgh", 5)).toBe("abcd…");
});

test("columns are as wide as their widest cell", () => {
  expect(
    table([
      ["A", "BB", "C"],
      ["aaa", "b", "c"],
    ]),
  ).toEqual(["A    BB  C", "aaa  b   c"]);
});

test.each([
  [12, "12 ms"],
  [1_500, "1.5 s"],
  [61_000, "1 min 1 s"],
  [7_200_000, "2.0 h"],
  [172_800_000, "2.0 d"],
])("%i ms reads as %s", (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});

test("a resolution takes the result as JSON, else as text", () => {
  expect(resolutionOf("c", { ran: '{"ok":true}' })).toEqual({ type: "ran", result: { ok: true } });
  expect(resolutionOf("c", { ran: "it worked" })).toEqual({ type: "ran", result: "it worked" });
  expect(resolutionOf(undefined, { resample: true })).toEqual({ type: "resample" });
});

test("the doctor tells a missing Redis from other faults", () => {
  const ok = { check: "node", state: "ok", text: "" } as const;
  expect(exitOf([ok, { check: "workers", state: "warn", text: "" }])).toBe(0);
  expect(exitOf([ok, { check: "fleet file", state: "bad", text: "" }])).toBe(1);
  expect(
    exitOf([
      { check: "redis", state: "bad", text: "" },
      { check: "fleet file", state: "bad", text: "" },
    ]),
  ).toBe(4);
});

test("the doctor tells of a queue whose workers hold different agents, and of no other", () => {
  const agents = [
    { name: "a", queue: "default" },
    { name: "b", queue: "default" },
    { name: "c", queue: "slow" },
    { name: "gone", queue: "default" },
  ];
  const whole = { queues: ["default"], agents: ["a", "b"] };
  const slow = { queues: ["slow"], agents: ["c"] };
  expect(unevenQueues([whole, whole, slow], agents)).toEqual([]);
  expect(unevenQueues([whole, slow, { queues: ["default"], agents: ["a"] }], agents)).toMatchObject([
    { state: "warn", text: expect.stringContaining("queue default holds b:"), remedy: expect.stringContaining("FLOTILLA_PREFIX") },
  ]);
});

test("only source files outside of generated folders restart the worker", () => {
  expect(["src/fleet.ts", "a.mjs", ".env"].map(isSourceChange)).toEqual([true, true, true]);
  expect(["node_modules/x/a.js", ".flotilla/redis/dump.rdb", "src/.git/x.ts", "notes.md"].map(isSourceChange)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test("settings have defaults, and an empty variable counts as not set", () => {
  expect(readSettings({ REDIS_URL: "", OPENAI_API_KEY: "" })).toMatchObject({
    redisUrl: undefined,
    prefix: "flotilla",
    logLevel: "info",
    hasOpenAiKey: false,
  });
  expect(() => readSettings({ OPENAI_BASE_URL: "not a url" })).toThrow(/OPENAI_BASE_URL/);
});
