/** The lines of a dataset: what is asked, and what is expected of the answer. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";
import { jsonSchema } from "../../protocol/json.ts";
import { canonicalJson } from "../submission.ts";

const lineSchema = z.strictObject({
  /** As for a submit. */
  input: z.union([z.string().min(1), z.array(z.looseObject({})).min(1), z.record(z.string(), jsonSchema)], {
    error: "expected a text, a list of items, or an object",
  }),
  expected: jsonSchema.optional(),
  context: z.record(z.string(), jsonSchema).optional(),
});
export type EvalLine = z.infer<typeof lineSchema> & {
  /** From 1, as an editor counts. */
  readonly line: number;
  /** Of what it says: the same in every file and at every place. */
  readonly hash: string;
};

const MAX_LINES = 10_000;

/** Shown wherever a dataset is asked for. */
export const LINE_EXAMPLE = '{"input": "…", "expected": "…", "context": {}}';

/** @throws FleetError INPUT_INVALID naming the line. */
export function parseDataset(text: string, name: string): EvalLine[] {
  const lines = text.split("\n").flatMap((json, index) => (json.trim() === "" ? [] : [parseLine(json, name, index + 1)]));
  if (lines.length > 0 && lines.length <= MAX_LINES) return lines;
  throw new FleetError("INPUT_INVALID", `Expected from 1 to ${MAX_LINES} lines of JSON; got ${lines.length}.`, { at: name });
}

function parseLine(json: string, name: string, line: number): EvalLine {
  const parsed = lineSchema.safeParse(jsonOf(json));
  if (parsed.success) return { ...parsed.data, line, hash: hashOf(parsed.data) };
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") || "line";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${field}: ${issue?.message ?? "not valid"}.`, {
    at: `${name}:${line}`,
    remedy: `${LINE_EXAMPLE}; the last two may be left out`,
  });
}

// It was JSON a moment ago.
const hashOf = (line: z.infer<typeof lineSchema>): string =>
  createHash("sha256")
    .update(canonicalJson(jsonSchema.parse(line)))
    .digest("hex")
    .slice(0, 16);

/** What is no JSON is left as the text that it is, which is no line either. */
function jsonOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
