/**
 * A JSON schema in the part of the language that Anthropic's structured outputs take. What they would refuse is put into words for the
 * model; the SDK checks the answer against the whole schema, and an answer that breaks it is asked for again.
 */
import { isObject } from "../duck.ts";

/** Keywords that are refused, with how they read. */
const LIMITS: Readonly<Record<string, string>> = {
  minimum: "at least",
  maximum: "at most",
  exclusiveMinimum: "more than",
  exclusiveMaximum: "less than",
  multipleOf: "a multiple of",
  minLength: "characters, at least",
  maxLength: "characters, at most",
  minItems: "items, at least",
  maxItems: "items, at most",
  uniqueItems: "without repeats:",
  minProperties: "properties, at least",
  maxProperties: "properties, at most",
};
/** How zod spells "an integer": says nothing to a model. */
const NO_LIMITS: ReadonlySet<unknown> = new Set([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);

/** Keywords whose value holds schemas by name. */
const NAMED = ["properties", "$defs", "definitions"];

export function toSupportedSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(toSupportedSchema);
  if (!isObject(schema)) return schema;
  const kept: Record<string, unknown> = {};
  const words: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    const limit = Object.hasOwn(LIMITS, key) ? LIMITS[key] : undefined;
    if (key === "$schema") continue;
    if (limit !== undefined) {
      if (!NO_LIMITS.has(value)) words.push(`${limit} ${String(value)}`);
    } else if (NAMED.includes(key) && isObject(value)) {
      kept[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toSupportedSchema(inner)]));
    } else if (key === "const" || key === "enum" || key === "default" || key === "examples") {
      kept[key] = value;
    } else {
      kept[key === "oneOf" ? "anyOf" : key] = toSupportedSchema(value);
    }
  }
  if (kept["type"] === "object") kept["additionalProperties"] = false;
  if (words.length === 0) return kept;
  const said = typeof kept["description"] === "string" ? `${kept["description"]} ` : "";
  return { ...kept, description: `${said}(${words.join("; ")})` };
}
