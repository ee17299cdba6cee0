/** The smallest value that a JSON schema allows, so that an agent with an output type works without a rule. */
import { isRecord } from "./call.ts";

const MAX_DEPTH = 8;

export function sampleOf(schema: unknown, text = "text", depth = 0): unknown {
  if (!isRecord(schema) || depth > MAX_DEPTH) return null;
  if ("const" in schema) return schema["const"];
  const options = [schema["enum"], schema["anyOf"], schema["oneOf"]].find(Array.isArray);
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  if (options !== undefined) return sampleOf(options[0], text, depth + 1);
  const type = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
  if (type === "object") {
    const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
    return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, sampleOf(property, text, depth + 1)]));
  }
  if (type === "array") {
    const count = typeof schema["minItems"] === "number" ? schema["minItems"] : 0;
    return Array.from({ length: count }, () => sampleOf(schema["items"], text, depth + 1));
  }
  if (type === "string") return text;
  if (type === "number" || type === "integer") return typeof schema["minimum"] === "number" ? Math.max(0, schema["minimum"]) : 0;
  return type === "boolean" ? false : null;
}
