import { describe, expect, test } from "vitest";
import { DEFAULT_RETENTION_MS, parseRetention, retentionOf } from "../../../src/protocol/retention.ts";
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
