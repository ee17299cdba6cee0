/** The lines of a dataset: what is asked, and what is expected of the answer. */
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";
import { jsonSchema } from "../../protocol/json.ts";

const lineSchema = z.strictObject({
  /** As for a submit. */
  input: z.union([z.string().min(1), z.array(z.looseObject({})).min(1), z.record(z.string(), jsonSchema)]),
  expected: jsonSchema.optional(),
  context: z.record(z.string(), jsonSchema).optional(),
});
export type EvalLine = z.infer<typeof lineSchema> & {
  /** From 1, as an editor counts. */
  readonly line: number;
};

const MAX_LINES = 10_000;

/** @throws FleetError INPUT_INVALID naming the line. */
export function parseDataset(text: string, name: string): EvalLine[] {
  const lines = text.split("\n").flatMap((json, index) => (json.trim() === "" ? [] : [parseLine(json, name, index + 1)]));
  if (lines.length > 0 && lines.length <= MAX_LINES) return lines;
  throw new FleetError("INPUT_INVALID", `Expected from 1 to ${MAX_LINES} lines of JSON; got ${lines.length}.`, { at: name });
}

function parseLine(json: string, name: string, line: number): EvalLine {
  const parsed = lineSchema.safeParse(jsonOf(json));
  if (parsed.success) return { ...parsed.data, line };
  const [issue] = parsed.error.issues;
  throw new FleetError("INPUT_INVALID", `Expected a valid line: ${issue?.path.map(String).join(".")} ${issue?.message ?? "not valid"}.`, {
    at: `${name}:${line}`,
    remedy: '{"input": "…", "expected": "…", "context": {}}; the last two may be left out',
  });
}

function jsonOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
