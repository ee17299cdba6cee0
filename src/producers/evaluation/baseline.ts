/** The results of an earlier evaluation of the same dataset, as the second side of a comparison: what another deploy answered. */
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";
import type { EvalLine } from "./dataset.ts";
import type { EvalResult, Side } from "./evaluate.ts";

export interface Baseline {
  readonly side: Side;
  /** Of lines that the dataset has as well, under its line numbers. */
  readonly results: readonly EvalResult[];
  /** Results of lines that the dataset does not have, or has with another input or expectation. */
  readonly strangers: number;
}

// Not strict: a results file of another release may hold more.
const resultSchema = z.object({
  side: z.enum(["a", "b"]),
  agent: z.string(),
  model: z.string().optional(),
  version: z.string().optional(),
  lineHash: z.string(),
  status: z.enum(["completed", "failed", "blocked", "refused", "cancelled", "expired", "not-run"]),
  score: z.number().min(0).max(1).optional(),
  knownMicroUsd: z.number().min(0),
  unknownCostCalls: z.int().min(0),
  latencyMs: z.number().min(0).optional(),
});
type Earlier = z.infer<typeof resultSchema>;

/** Reads the first side of an earlier evaluation's results. @throws FleetError INPUT_INVALID naming the line. */
export function parseBaseline(text: string, name: string, lines: readonly EvalLine[]): Baseline {
  const earlier = text
    .split("\n")
    .flatMap((json, index) => (json.trim() === "" ? [] : [parseResult(json, `${name}:${index + 1}`)]))
    .filter(({ side }) => side === "a");
  const [first] = earlier;
  if (first === undefined) {
    throw new FleetError("INPUT_INVALID", `Expected results of an earlier evaluation in ${name}; it holds none.`, { at: "--baseline" });
  }
  // The same line may stand in a dataset twice.
  const places = Map.groupBy(lines, ({ hash }) => hash);
  const results = earlier.flatMap(({ lineHash, ...result }) => {
    const place = places.get(lineHash)?.shift();
    return place === undefined ? [] : [{ ...defined(result), side: "b" as const, line: place.line, lineHash }];
  });
  const { agent, model } = first;
  return { side: { side: "b", agent, ...(model === undefined ? {} : { model }) }, results, strangers: earlier.length - results.length };
}

function parseResult(json: string, at: string): Earlier {
  const parsed = resultSchema.safeParse(jsonOf(json));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join(".") || "result";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${field}: ${issue?.message ?? "not valid"}.`, {
    at,
    remedy: "give a results file that this release's `flotilla eval` wrote: older ones do not say which line a result is of",
  });
}

function jsonOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

type Defined<T> = { [Name in keyof T]: Exclude<T[Name], undefined> };
/** Zod gives optional members as undefined ones to the compiler, though it leaves out those that are not there. */
const defined = <T extends object>(value: T): Defined<T> => value as Defined<T>;
