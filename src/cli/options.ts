/** Readers of option values; each refuses with a FleetError that names the option. */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { DAY_MS, dayOf, TOTALS } from "../protocol/totals.ts";

/** A whole number of at least `min`. */
export const wholeNumber =
  (option: string, min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new FleetError("USAGE", `Expected ${option} to be a whole number ${range}; got ${JSON.stringify(text.slice(0, 80))}.`, {
      at: option,
      remedy: `${option} ${Math.max(min, 1)}`,
    });
  };

/** A number that may have a fraction. */
export const numberFrom =
  (option: string, min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value >= min && value <= max) return value;
    throw new FleetError("USAGE", `Expected ${option} to be a number from ${min} to ${max}; got ${JSON.stringify(text.slice(0, 80))}.`, {
      at: option,
    });
  };

const UNITS_MS = { m: 60_000, h: 3_600_000, d: DAY_MS } as const;
const MOST_DAYS = TOTALS.keepDays;

/** A moment in the past: so long ago (`90m`, `12h`, `7d`, `7` for days), or a date or time in UTC. Epoch milliseconds. */
export const momentSince =
  (option: string, nowMs: () => number) =>
  (text: string): number => {
    const [, count = "", unit = "d"] = /^(\d{1,6})([mhd]?)$/.exec(text) ?? [];
    // The expression lets no other unit through; without one, days are meant.
    const agoMs = Number(count) * UNITS_MS[(unit || "d") as keyof typeof UNITS_MS];
    const atMs = count === "" ? dateOf(text) : agoMs === 0 ? Number.NaN : nowMs() - agoMs;
    if (atMs <= nowMs() && atMs >= nowMs() - MOST_DAYS * UNITS_MS.d) return atMs;
    throw new FleetError(
      "USAGE",
      `Expected ${option} to be a time up to ${MOST_DAYS} days ago, such as 90m, 12h, 7d or 2026-11-22 in UTC; got ${shown(text)}.`,
      { at: option, remedy: `${option} 7d` },
    );
  };

/** The first of some days in UTC: so many of them, today included, or its date. */
export const daySince =
  (option: string, nowMs: () => number) =>
  (text: string): string => {
    if (/^\d+[mh]$|T/.test(text)) {
      throw new FleetError("USAGE", `Expected ${option} to be days: costs are added up by day in UTC; got ${shown(text)}.`, {
        at: option,
        remedy: `${option} 1d is today; \`flotilla stats\` takes hours and minutes`,
      });
    }
    const atMs = momentSince(option, nowMs)(text);
    return dayOf(/^\d+d?$/.test(text) ? atMs + UNITS_MS.d : atMs);
  };

/** `2026-11-22`, or with a time in UTC: `2026-11-22T03:00Z`. A day that is in no calendar is none, where `Date` takes it for a later one. */
const dateOf = (text: string): number => (dateSchema.safeParse(text).success ? Date.parse(text) : Number.NaN);
const dateSchema = z.union([z.iso.date(), z.iso.datetime(), z.iso.datetime({ precision: -1 })]);

const shown = (text: string): string => JSON.stringify(text.slice(0, 80));

/** Some of `known`, with commas between. */
export const namesOf =
  <N extends string>(option: string, known: readonly N[]) =>
  (text: string): N[] =>
    text.split(",").map((given) => {
      const found = known.find((name) => name === given.trim());
      if (found !== undefined) return found;
      throw new FleetError("USAGE", `Expected ${option} to be any of ${known.join(", ")}; got ${shown(text)}.`, {
        at: option,
        remedy: `${option} ${known.slice(-2).join(",")}`,
      });
    });

/** A JSON object, given as text. */
export function jsonObject(option: string, text: string, remedy = `${option} '{"key":"value"}'`): Record<string, unknown> {
  const value = jsonValue(option, text, remedy);
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return { ...value };
  throw new FleetError("USAGE", `Expected ${option} to be a JSON object.`, { at: option, remedy });
}

function jsonValue(option: string, text: string, remedy: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FleetError("USAGE", `Expected ${option} to be JSON: ${error instanceof Error ? withoutText(error.message) : "not JSON"}.`, {
      at: option,
      remedy,
      cause: error,
    });
  }
}

/** The parser quotes what it read, which may be a secret and may be long. */
const withoutText = (message: string): string => message.replace(/,? (?:\.\.\.)?".*is not valid JSON$/s, "");
