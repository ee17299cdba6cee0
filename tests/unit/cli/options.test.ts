/** Times as people give them. */
import { describe, expect, test } from "vitest";
import { daySince, momentSince } from "../../../src/cli/options.ts";

const NOW_MS = Date.parse("2026-11-22T23:10:00Z");
const moment = momentSince("--since", () => NOW_MS);
const day = daySince("--since", () => NOW_MS);

describe("a moment in the past", () => {
  test.each([
    ["90m", "2026-11-22T21:40:00.000Z"],
    ["12h", "2026-11-22T11:10:00.000Z"],
    ["7d", "2026-11-15T23:10:00.000Z"],
    ["7", "2026-11-15T23:10:00.000Z"],
    ["2026-11-20", "2026-11-20T00:00:00.000Z"],
    ["2026-11-20T03:00Z", "2026-11-20T03:00:00.000Z"],
  ])("%s is %s", (text, at) => {
    expect(new Date(moment(text)).toISOString()).toBe(at);
  });

  test.each(["", "0d", "401d", "-1h", "1.5h", "7w", "2026-02-30", "2027-01-01", "2020-01-01", "yesterday", "2026-11-20T03:00"])(
    "%j is refused, and the option is named",
    (text) => {
      expect(() => moment(text)).toThrow(expect.objectContaining({ code: "USAGE", at: "--since" }));
    },
  );
});

describe("the first of some days in UTC", () => {
  test.each([
    ["1d", "2026-11-22"],
    ["7", "2026-11-16"],
    ["7d", "2026-11-16"],
    ["400d", "2025-10-19"],
    ["2026-11-20", "2026-11-20"],
  ])("%s is %s", (text, first) => {
    expect(day(text)).toBe(first);
  });

  test.each(["90m", "12h", "2026-11-20T03:00Z"])("%s is refused, because nothing is added up by the hour", (text) => {
    expect(() => day(text)).toThrow(/by day in UTC/);
  });
});
