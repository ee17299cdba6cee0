/** Readers of option values; each refuses with a FleetError that names the option. */
import { FleetError } from "../protocol/errors.ts";

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

/** `7` or `7d`: a number of days. */
export const daysSince =
  (option: string, max: number) =>
  (text: string): number =>
    wholeNumber(option, 1, max)(text.replace(/d$/, ""));

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
