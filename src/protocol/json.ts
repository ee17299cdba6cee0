/** JSON as a type, and the one way in which a value becomes stored text. */
import { z } from "zod";
import { type ErrorCode, FleetError } from "./errors.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

export const jsonSchema: z.ZodType<Json> = z.json();

export interface EncodeLimits {
  /** What the value is called in an error, such as `context`. */
  readonly at: string;
  readonly maxBytes: number;
  /** The code when JSON cannot carry the value. Default INPUT_INVALID. */
  readonly notJson?: ErrorCode;
  /** The code when it is too long. Default INPUT_TOO_LARGE. */
  readonly tooLarge?: ErrorCode;
}

/**
 * Text of a value that JSON carries without loss.
 * @throws FleetError INPUT_TOO_LARGE, or `notJson` for functions, symbols, bigints, Maps, class instances and cycles.
 */
export function encodeJson(
  value: unknown,
  { at, maxBytes, notJson = "INPUT_INVALID", tooLarge = "INPUT_TOO_LARGE" }: EncodeLimits,
): string {
  const place = findNonJson(value, at, new Set());
  if (place !== undefined) {
    throw new FleetError(notJson, `Expected ${at} to be plain JSON; ${place.path} is ${place.what}.`, {
      at: place.path,
      remedy: "pass plain objects, arrays, strings, numbers, booleans and null",
    });
  }
  const text = JSON.stringify(value) ?? "null";
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) {
    throw new FleetError(tooLarge, `Expected ${at} to be at most ${maxBytes} bytes of JSON; got ${bytes}.`, {
      at,
      remedy: "store the large part elsewhere and pass a reference",
    });
  }
  return text;
}

function findNonJson(value: unknown, path: string, parents: Set<object>): { path: string; what: string } | undefined {
  if (value === null || value === undefined || typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : { path, what: String(value) };
  if (typeof value !== "object") return { path, what: `a ${typeof value}` };
  if (parents.has(value)) return { path, what: "a cycle" };
  parents.add(value);
  try {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        const found = findNonJson(item, `${path}[${index}]`, parents);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return { path, what: `a ${value.constructor?.name ?? "class"} instance` };
    for (const [key, item] of Object.entries(value)) {
      const found = findNonJson(item, `${path}.${key}`, parents);
      if (found !== undefined) return found;
    }
    return undefined;
  } finally {
    parents.delete(value);
  }
}
