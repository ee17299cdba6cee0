/**
 * Runs a dataset through the fleet and grades the answers. Each line is an ordinary run under an idempotency key of the evaluation and the
 * line: started again under its id, an evaluation finds what is there and pays for the rest only.
 */
import { isFleetError } from "../../protocol/errors.ts";
import { addUsage, type RunResult, type Usage } from "../../protocol/run.ts";
import type { SubmitOptions } from "../submission.ts";
import type { EvalLine } from "./dataset.ts";
import type { EvalProducer, EvalRun, Grader } from "./graders.ts";

/** What is evaluated: an agent, perhaps under another model. */
export interface Side {
  readonly side: "a" | "b";
  readonly agent: string;
  readonly model?: string;
}

export interface EvalPlan {
  readonly id: string;
  readonly lines: readonly EvalLine[];
  readonly sides: readonly Side[];
  readonly grader: Grader;
  readonly tools: "deny" | "live";
  readonly deadlineMs: number;
  readonly concurrency: number;
  readonly tenant?: string | undefined;
  /** No line is begun once the answers cost as much, or one has a cost that nobody knows. */
  readonly maxCostMicroUsd?: number | undefined;
  readonly signal?: AbortSignal;
}

export interface EvalResult extends Side {
  readonly line: number;
  /** By which a later evaluation knows the line, wherever it stands then. */
  readonly lineHash: string;
  readonly runId?: string;
  /** Of the agent that answered. */
  readonly version?: string;
  /** `not-run`: the submit was refused; `why` says how. */
  readonly status: RunResult["status"] | "not-run";
  readonly output?: unknown;
  /** From 0 to 1; a run that did not complete has 0. Absent where the grader failed or nothing ran. */
  readonly score?: number;
  readonly why?: string | undefined;
  /** Absent unless the cost of every call is known, the judge's included. */
  readonly costMicroUsd?: number;
  readonly knownMicroUsd: number;
  readonly unknownCostCalls: number;
  /** From its begin to its end, without the wait in the queue. */
  readonly latencyMs?: number;
  readonly turns?: number;
}

/** In the order in which they end. @throws FleetError WAIT_ABORTED, BACKEND_UNREACHABLE. */
export async function* evaluate(producer: EvalProducer, plan: EvalPlan): AsyncGenerator<EvalResult, "done" | "max-cost" | "cost-unknown"> {
  const spent = { microUsd: 0, unknown: 0 };
  let stopped: "max-cost" | "cost-unknown" | undefined;
  function* tasks(): Generator<() => Promise<EvalResult>> {
    for (const line of plan.lines) {
      for (const side of plan.sides) {
        if (plan.maxCostMicroUsd !== undefined && spent.unknown > 0) stopped = "cost-unknown";
        else if (plan.maxCostMicroUsd !== undefined && spent.microUsd >= plan.maxCostMicroUsd) stopped = "max-cost";
        if (stopped !== undefined) return;
        yield async () => {
          const result = await answer(producer, plan, line, side);
          spent.microUsd += result.knownMicroUsd;
          spent.unknown += result.unknownCostCalls;
          return result;
        };
      }
    }
  }
  yield* pooled(tasks(), plan.concurrency);
  return stopped ?? "done";
}

/** At most `limit` at once; each is asked for only when there is a place. */
async function* pooled<T>(tasks: Iterable<() => Promise<T>>, limit: number): AsyncGenerator<T, void> {
  const underWay = new Map<number, Promise<{ readonly id: number; readonly value: T }>>();
  const nextDone = async (): Promise<T> => {
    const { id, value } = await Promise.race(underWay.values());
    underWay.delete(id);
    return value;
  };
  let id = 0;
  for (const task of tasks) {
    const own = id++;
    const done = task().then((value) => ({ id: own, value }));
    // Told where it is awaited; when another fails before, nobody may be left to tell.
    done.catch(() => undefined);
    underWay.set(own, done);
    if (underWay.size >= limit) yield await nextDone();
  }
  while (underWay.size > 0) yield await nextDone();
}

async function answer(producer: EvalProducer, plan: EvalPlan, line: EvalLine, side: Side): Promise<EvalResult> {
  const base = { line: line.line, lineHash: line.hash, ...side };
  const key = `eval:${plan.id}:${side.side}:${line.line}`;
  const shared: SubmitOptions = {
    idempotencyKey: key,
    metadata: { eval: plan.id, line: line.line, side: side.side },
    deadlineMs: plan.deadlineMs,
    ...(plan.tenant === undefined ? {} : { tenant: plan.tenant }),
  };
  let run: EvalRun;
  let result: RunResult;
  try {
    const { input, context = {} } = line;
    const how = { tools: plan.tools, ...(side.model === undefined ? {} : { model: side.model }) };
    run = await producer.submit(side.agent, input, { ...shared, ...how, context });
    result = await run.result(plan.signal === undefined ? {} : { signal: plan.signal });
  } catch (error) {
    return { ...base, status: "not-run", why: refusal(error), ...costOf([]) };
  }
  const { startedAtMs, finishedAtMs, turns, build } = await run.status();
  const ran = {
    ...base,
    runId: run.id,
    status: result.status,
    turns,
    ...(build === undefined ? {} : { version: build.version }),
    ...(startedAtMs === undefined || finishedAtMs === undefined ? {} : { latencyMs: finishedAtMs - startedAtMs }),
  };
  if (result.status !== "completed") {
    const why = "error" in result ? `${result.error.code} ${result.error.message}` : undefined;
    return { ...ran, score: 0, why, ...costOf([result.usage]) };
  }
  try {
    const { score, why, usage } = await plan.grader(
      result,
      line,
      { ...shared, idempotencyKey: `${key}:judge`, tools: "deny" },
      plan.signal,
    );
    return { ...ran, output: result.output, score, why, ...costOf([result.usage, ...(usage === undefined ? [] : [usage])]) };
  } catch (error) {
    if (isFleetError(error) && error.code === "WAIT_ABORTED") throw error;
    return { ...ran, output: result.output, why: `not graded: ${said(error)}`, ...costOf([result.usage]) };
  }
}

/** Of one line. What would be the same for all ends the evaluation. */
function refusal(error: unknown): string {
  if (!isFleetError(error) || !["INPUT_INVALID", "INPUT_TOO_LARGE", "IDEMPOTENCY_CONFLICT", "RUN_EXPIRED"].includes(error.code))
    throw error;
  return said(error);
}

const said = (error: unknown): string =>
  isFleetError(error) ? `${error.code} ${error.message}` : error instanceof Error ? error.message : String(error);

function costOf(usages: readonly Usage[]): Pick<EvalResult, "costMicroUsd" | "knownMicroUsd" | "unknownCostCalls"> {
  const [first, ...more] = usages;
  if (first === undefined) return { costMicroUsd: 0, knownMicroUsd: 0, unknownCostCalls: 0 };
  const { requests, pricedRequests = 0, costMicroUsd: knownMicroUsd = 0 } = more.reduce(addUsage, first);
  const unknownCostCalls = requests - pricedRequests;
  return { knownMicroUsd, unknownCostCalls, ...(unknownCostCalls > 0 ? {} : { costMicroUsd: knownMicroUsd }) };
}
