/** Two runs side by side, from the turn at which one was made out of the other. */
import type { RunEvent } from "../protocol/events.ts";
import { NO_USAGE, type RunErrorInfo, type RunStatus, type Usage } from "../protocol/run.ts";
import { formatUsage } from "./event-lines.ts";
import { oneLine, plural, printable, table } from "./io.ts";
import type { RunView } from "./run-view.ts";

interface Side {
  readonly runId: string;
  readonly status: RunStatus;
  readonly agent: string;
  /** Of the compared turns, in their order, each once. */
  readonly models: readonly string[];
  readonly turns: number;
  readonly usage: Usage;
  readonly output?: unknown;
  readonly error?: RunErrorInfo;
}

export interface Comparison {
  readonly fromTurn: number;
  readonly source: Side;
  readonly copy: Side;
}

/** @param views of the source and of the copy, in this order */
export function compareRuns([source, copy]: readonly RunView[]): Comparison {
  if (source === undefined || copy === undefined) throw new Error("Two runs are compared.");
  const fromTurn = copy.run.origin?.turn ?? 1;
  return { fromTurn, source: sideOf(source, fromTurn), copy: sideOf(copy, fromTurn) };
}

function sideOf({ run, events, output }: RunView, fromTurn: number): Side {
  const earlier = events.findLastIndex((event) => event.type === "turn.completed" && event.turn < fromTurn);
  const calls = events.slice(earlier + 1).filter(isModelCall);
  const turns = calls.filter(({ type }) => type === "turn.completed");
  return {
    runId: run.runId,
    status: run.status,
    agent: run.agent,
    models: [...new Set(turns.map(({ model }) => model))],
    turns: turns.length,
    usage: calls.reduce((sum, { usage }) => added(sum, usage), NO_USAGE),
    ...(output === undefined ? {} : { output }),
    ...(run.error === undefined ? {} : { error: run.error }),
  };
}

type ModelCall = Extract<RunEvent, { readonly type: "turn.completed" | "model.called" }>;
const isModelCall = (event: RunEvent): event is ModelCall => event.type === "turn.completed" || event.type === "model.called";

const added = (a: Usage, b: Usage): Usage => ({
  requests: a.requests + b.requests,
  inputTokens: a.inputTokens + b.inputTokens,
  cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  reasoningTokens: a.reasoningTokens + b.reasoningTokens,
});

export function drawComparison({ fromTurn, source, copy }: Comparison): string[] {
  const row = ({ runId, status, agent, models, turns, usage }: Side): string[] => [
    runId,
    status,
    oneLine(agent, 32),
    models.map((model) => oneLine(model, 40)).join(", "),
    plural(turns, "turn"),
    formatUsage(usage),
  ];
  return [
    `from turn ${fromTurn} on`,
    ...table([row(source), row(copy)]),
    "",
    ...answerOf("before", source),
    "",
    ...answerOf("now", copy),
    "",
    sameAnswer(source, copy) ? "The answers are the same." : "The answers differ.",
  ];
}

function answerOf(title: string, { output, error }: Side): string[] {
  const text = output === undefined ? `${error?.code ?? "no answer"} ${error?.message ?? ""}`.trim() : inWords(output);
  return [`${title}:`, printable(text)];
}

const inWords = (output: unknown): string => (typeof output === "string" ? output : JSON.stringify(output, null, 2));
const sameAnswer = (a: Side, b: Side): boolean => a.status === b.status && JSON.stringify(a.output) === JSON.stringify(b.output);
