import { Agent } from "@openai/agents";
import { expect, test } from "vitest";
import { type Compaction, turnsToCompact } from "../../../src/agents/compaction.ts";
import { createFleet } from "../../../src/index.ts";
import type { ConversationTurn } from "../../../src/protocol/conversation.ts";

const turn = (contextTokens: number, overrides: Partial<ConversationTurn> = {}): ConversationTurn => ({
  v: 1,
  id: "t",
  type: "run",
  atMs: 1,
  contextTokens,
  itemsJson: "[1,2]",
  ...overrides,
});
const policy = { overTokens: 100, keepTurns: 2, how: "drop-oldest" } as const;

test("the provider's newest count says whether a conversation is over its limit; older counts are part of it", () => {
  expect(turnsToCompact([turn(90), turn(95), turn(100)], policy)).toBe(0);
  expect(turnsToCompact([turn(500), turn(95), turn(100)], policy)).toBe(0);
  expect(turnsToCompact([turn(90), turn(95), turn(101)], policy)).toBe(1);
});

test("what no provider has counted is taken for four bytes a token", () => {
  const text = turn(0, { type: "items", itemsJson: JSON.stringify(["x".repeat(396)]) });
  expect(turnsToCompact([turn(0), turn(0), turn(0)], policy)).toBe(0);
  expect(turnsToCompact([turn(0), turn(0), text], policy)).toBe(1);
  expect(turnsToCompact([turn(10), turn(20), turn(30), text], policy)).toBe(2);
  expect(turnsToCompact([text, turn(20), turn(30)], policy)).toBe(0);
});

test("the newest turns stay, and a summary alone is not summed up again", () => {
  expect(turnsToCompact([turn(900), turn(900)], policy)).toBe(0);
  expect(turnsToCompact([turn(0, { type: "summary" }), turn(900), turn(900)], policy)).toBe(0);
  expect(turnsToCompact([turn(0, { type: "summary" }), turn(900), turn(900), turn(900)], policy)).toBe(2);
  expect(turnsToCompact([turn(900), turn(900)], { overItems: 3, keepTurns: 0, how: "drop-oldest" })).toBe(2);
  expect(turnsToCompact([turn(900), turn(900)], undefined)).toBe(0);
});

test("a policy that can never hold, or holds always, is refused at start", () => {
  const agents = { a: new Agent({ name: "a", model: "m" }) };
  const wrong: Compaction[] = [
    { keepTurns: 1, how: "drop-oldest" },
    { overTokens: 0, keepTurns: 1, how: "drop-oldest" },
    { overItems: 1.5, keepTurns: 1, how: "drop-oldest" },
    { overTokens: 10, keepTurns: -1, how: "drop-oldest" },
  ];
  for (const compact of wrong) {
    const refused = expect.objectContaining({ code: "AGENT_INVALID", at: "agents.a.conversation.compact" });
    expect(() => createFleet({ agents, conversation: { compact } })).toThrow(refused);
    expect(() => createFleet({ agents: { a: { agent: agents.a, conversation: { compact } } } })).toThrow(refused);
  }
});
