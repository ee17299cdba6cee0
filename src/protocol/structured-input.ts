/**
 * An agent's input as a value instead of a text: checked against the agent's schema before a model is paid, and read by the model as JSON.
 * It is checked and not changed: what the producer sent is what the model reads and what a worker checks again.
 */
import type { z } from "zod";
import { FleetError } from "./errors.ts";
import type { Json } from "./json.ts";

/** A schema of an object. Defaults and transformations are not applied. */
export type InputSchema = z.ZodType<Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>>;

const MAX_ISSUES = 5;

/** @throws FleetError INPUT_INVALID, which names each place that is wrong and quotes no value */
export function checkInput(schema: InputSchema, value: unknown, agent: string, at: string): void {
  const parsed = schema.safeParse(value);
  if (parsed.success) return;
  const { issues } = parsed.error;
  const places = issues.slice(0, MAX_ISSUES).map(({ path, message }) => `${[at, ...path.map(String)].join(".")}: ${message}`);
  const more = issues.length > MAX_ISSUES ? `; and ${issues.length - MAX_ISSUES} more` : "";
  throw new FleetError("INPUT_INVALID", `Expected the input of agent ${agent} to match its schema; ${places.join("; ")}${more}.`, {
    at: [at, ...(issues[0]?.path ?? []).map(String)].join("."),
    remedy: "compare with the `input` schema of the agent",
  });
}

/**
 * Checks the input of a run that a producer without the agent's code may have submitted: the last item of its transcript.
 * @throws FleetError INPUT_INVALID
 */
export function checkTranscript(schema: InputSchema, items: readonly Json[], agent: string): void {
  const text = textOf(items.at(-1));
  let value: unknown = text;
  try {
    if (text !== undefined) value = JSON.parse(text);
  } catch {
    // Prose: the schema says what was expected instead.
  }
  checkInput(schema, value, agent, "input");
}

/** The text of a message of the user's; undefined for anything else, such as one with an image. */
function textOf(item: Json | undefined): string | undefined {
  if (typeof item !== "object" || item === null || !("content" in item)) return undefined;
  const { content } = item;
  if (typeof content === "string") return content;
  const [part, ...more] = Array.isArray(content) ? content : [];
  if (more.length > 0 || typeof part !== "object" || part === null || !("text" in part)) return undefined;
  return typeof part.text === "string" ? part.text : undefined;
}
