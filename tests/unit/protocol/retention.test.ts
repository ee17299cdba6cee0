import { Agent } from "@openai/agents";
import { describe, expect, test } from "vitest";
import { createFleet } from "../../../src/index.ts";
import { createProducer } from "../../../src/producer.ts";
import { MAX_DEADLINE_MS } from "../../../src/producers/submission.ts";
import { DEFAULT_RETENTION_MS, parseConversationKeepMs, parseRetention, retentionOf } from "../../../src/protocol/retention.ts";
import { FINAL_STATUSES } from "../../../src/protocol/run.ts";

describe("retention", () => {
  test("what is left out is kept 7 days, or as long as the caller's default says", () => {
    const kept = parseRetention({ cancelledMs: 60_000 });
    expect(kept).toMatchObject({ cancelled: 60_000, completed: DEFAULT_RETENTION_MS });
    expect(DEFAULT_RETENTION_MS).toBe(7 * 24 * 60 * 60 * 1_000);
    expect(Object.keys(kept).toSorted()).toEqual([...FINAL_STATUSES].toSorted());
    expect(parseRetention({ failedMs: 5_000 }, 9_000)).toMatchObject({ failed: 5_000, expired: 9_000 });
  });

  test("one time stands for all", () => {
    expect(FINAL_STATUSES.map((status) => retentionOf(5, status))).toEqual(FINAL_STATUSES.map(() => 5));
    expect(retentionOf(parseRetention({ blockedMs: 2_000 }), "blocked")).toBe(2_000);
  });

  test("conversations are kept 90 days or as told, and never shorter than a run of one may live", () => {
    const dayMs = 24 * 60 * 60 * 1_000;
    expect(parseConversationKeepMs({ completedMs: 5_000 })).toBe(90 * dayMs);
    expect(parseConversationKeepMs({ conversationsMs: 31 * dayMs })).toBe(31 * dayMs);
    const refused = { code: "INPUT_INVALID", at: "retention.conversationsMs", remedy: expect.stringContaining("conversationsMs") };
    expect(() => parseConversationKeepMs({ conversationsMs: MAX_DEADLINE_MS })).toThrow(expect.objectContaining(refused));
    expect(() => createFleet({ agents: { a: new Agent({ name: "a" }) }, retention: { conversationsMs: 1 } })).toThrow(
      expect.objectContaining(refused),
    );
    const redis = "redis://127.0.0.1:1";
    expect(() => createProducer({ redis, retention: { conversationsMs: 1 } })).toThrow(expect.objectContaining(refused));
  });

  const wrong: readonly (readonly [object, string])[] = [
    [{ completedMs: 0 }, "retention.completedMs"],
    [{ failedMs: 1.5 }, "retention.failedMs"],
    [{ expiredMs: Number.POSITIVE_INFINITY }, "retention.expiredMs"],
    [{ cancelledMs: 11 * 366 * 24 * 60 * 60 * 1_000 }, "retention.cancelledMs"],
    [{ doneMs: 5_000 }, "retention"],
  ];
  test.each(wrong)("%j is refused, naming the option", (options, at) => {
    expect(() => parseRetention(options)).toThrow(expect.objectContaining({ code: "INPUT_INVALID", at }));
  });
});
