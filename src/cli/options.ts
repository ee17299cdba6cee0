/** Readers of option values; each refuses with a FleetError that names the option. */
import { FleetError } from "../protocol/errors.ts";

/** A whole number of at least `min`. */
export const wholeNumber =
  (option: string, min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new FleetError("USAGE", `Expected ${option} to be a whole number of at least ${min}; got ${JSON.stringify(text)}.`, {
      at: option,
    });
  };

/** A JSON object, given as text. */
export function jsonObject(option: string, text: string): Record<string, unknown> {
  const value = jsonValue(option, text);
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return { ...value };
  throw new FleetError("USAGE", `Expected ${option} to be a JSON object.`, { at: option, remedy: `${option} '{"key":"value"}'` });
}

export function jsonValue(option: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FleetError("USAGE", `Expected ${option} to be JSON: ${error instanceof Error ? error.message : "not JSON"}.`, {
      at: option,
      cause: error,
    });
  }
}
