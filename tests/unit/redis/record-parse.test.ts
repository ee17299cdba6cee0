/** Records of earlier releases can still be read. */
import { expect, test } from "vitest";
import { parseDecisions } from "../../../src/redis/record-parse.ts";

test("decisions of protocol minor 0, which were a word and a message", () => {
  const stored = { c1: '{"approve":false,"message":"no"}', c2: '{"approve":true}' };
  expect(parseDecisions(stored)).toEqual([
    { callId: "c1", tool: "", agent: "", atMs: 0, approve: false, reason: "no" },
    { callId: "c2", tool: "", agent: "", atMs: 0, approve: true },
  ]);
});
