/** Says how good an answer is, from 0 to 1. Each grader sees a completed run's output and the line of the dataset; it decides nothing else. */
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";
import { jsonSchema } from "../../protocol/json.ts";
import type { RunInfo, RunResult, Usage } from "../../protocol/run.ts";
import type { WaitOptions } from "../run-handle.ts";
import { canonicalJson, type SubmitOptions } from "../submission.ts";
import type { EvalLine } from "./dataset.ts";

/** What an evaluation needs of a producer, whatever it knows of its agents' types. */
export interface EvalProducer {
  submit(agent: string, input: EvalLine["input"], options: SubmitOptions): Promise<EvalRun>;
}
export interface EvalRun {
  readonly id: string;
  result(options?: WaitOptions): Promise<RunResult>;
  status(): Promise<RunInfo>;
}

export type Completed = Extract<RunResult, { readonly status: "completed" }>;

export interface Grade {
  /** From 0 to 1. */
  readonly score: number;
  readonly why?: string | undefined;
  /** What a model was paid for it. */
  readonly usage?: Usage;
}

/** @param options under which a grader may submit a run of its own: once per answer, however often the evaluation is resumed */
export type Grader = (result: Completed, line: EvalLine, options: SubmitOptions, signal?: AbortSignal) => Promise<Grade> | Grade;

/** Equal as JSON; texts without the white space around them. @throws FleetError INPUT_INVALID for a line without `expected`. */
export const exactGrader: Grader = ({ output }, { expected, line }) => {
  if (expected === undefined) throw lacksExpected(line, "exact");
  return { score: plain(output) === plain(expected) ? 1 : 0 };
};

/** Values of a run and of a line are JSON. */
const plain = (value: unknown): string => canonicalJson(typeof value === "string" ? value.trim() : jsonSchema.parse(value));

/** @throws FleetError INPUT_INVALID for a schema that cannot be read. */
export function schemaGrader(schema: Record<string, unknown>): Grader {
  const checker = toChecker(schema);
  return ({ output }) => {
    const parsed = checker.safeParse(output);
    if (parsed.success) return { score: 1 };
    const [issue] = parsed.error.issues;
    return { score: 0, why: `${issue?.path.map(String).join(".") || "output"}: ${issue?.message ?? "not valid"}` };
  };
}

function toChecker(schema: Record<string, unknown>): z.ZodType {
  try {
    return z.fromJSONSchema(schema);
  } catch (cause) {
    throw new FleetError("INPUT_INVALID", `Expected a JSON schema: ${cause instanceof Error ? cause.message : "it could not be read"}.`, {
      at: "--schema",
      cause,
    });
  }
}

const judgementSchema = z.object({ score: z.number().min(0).max(1), why: z.string().optional() });

/** An agent of the fleet as judge. What it is shown is material, and its answer is `{ score, why }`. */
export const judgeGrader =
  (producer: EvalProducer, judge: string): Grader =>
  async ({ output }, { input, expected }, options, signal) => {
    const material = JSON.stringify({ input, ...(expected === undefined ? {} : { expected }), answer: output });
    const run = await producer.submit(judge, `Judge the answer in this material:\n${material}`, options);
    const result = await run.result(signal === undefined ? {} : { signal });
    const judged = result.status === "completed" ? judgementSchema.safeParse(result.output) : undefined;
    if (judged?.success === true) return { ...judged.data, usage: result.usage };
    throw new FleetError("INPUT_INVALID", `Expected judge ${judge} to complete with { score, why }; run ${run.id} did not.`, {
      at: "--judge",
      remedy: "give the judge an outputType of { score: number from 0 to 1, why: string }",
    });
  };

const givenSchema = z.union([z.boolean(), z.number().min(0).max(1), judgementSchema]);

/** A function of the user's. @throws FleetError INPUT_INVALID for what is no score. */
export const functionGrader =
  (grade: (result: Completed, line: EvalLine) => unknown): Grader =>
  async (result, line) => {
    const given = givenSchema.safeParse(await grade(result, line));
    if (!given.success) {
      throw new FleetError("INPUT_INVALID", "Expected the grader to return a boolean, a number from 0 to 1 or { score, why }.", {
        at: "--grader",
      });
    }
    return typeof given.data === "object" ? given.data : { score: Number(given.data) };
  };

const lacksExpected = (line: number, grader: string): FleetError =>
  new FleetError("INPUT_INVALID", `Expected line ${line} to have \`expected\` for grader ${grader}.`, { at: `line ${line}` });
