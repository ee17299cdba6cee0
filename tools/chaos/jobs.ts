/**
 * The work of the chaos runs, as pure functions of a job's number: what is asked, what the provider answers at each turn, what must come out.
 *
 *   opener: note (idempotent) ─▶ hand off ─▶ middle: charge (ask), beside it refund (ask, needs approval) where the job says so
 *     ─▶ hand off ─▶ closer: a streamed answer made of the tools' results
 *
 * The job's number stands in the input text, so that the provider knows whose call it answers without asking the fleet.
 */
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";

/** What the provider reads out of a prompt. */
export interface Asked {
  readonly number: number;
  readonly value: number;
  /** The tool that holds the event loop once, and for how long. */
  readonly block?: { readonly tool: ToolName; readonly ms: number };
  /** The third tool is called, and waits for a person. */
  readonly refund?: true;
}

export interface Job extends Asked {
  /** What the person says about the refund. Only with `refund`. */
  readonly plan?: DecisionPlan;
  /** The conversation that the run is part of. */
  readonly talk?: string;
  /** The run is cancelled so long after its submit, wherever it is then. */
  readonly cancelAfterMs?: number;
}

export const WORDS = ["approve", "reject"] as const;
export type Word = (typeof WORDS)[number];

export interface DecisionPlan {
  readonly word: Word;
  /** Another person says the opposite at the same time. */
  readonly isContested: boolean;
  /** The word is sent again, as by a client that lost the reply. */
  readonly isRepeated: boolean;
}

export const TOOLS = ["note", "charge", "refund"] as const;
export type ToolName = (typeof TOOLS)[number];
/** What every run calls. */
export const USUAL_TOOLS = ["note", "charge"] as const;
/** The hop in which each of a run's model calls is made. */
export const HOP_OF_TURN: readonly number[] = [0, 0, 1, 1, 2];
/** The turn whose answer asks for the tool, which a tool's effect therefore proves to be journaled. */
export const TURN_OF_TOOL: Readonly<Record<ToolName, number>> = { note: 0, charge: 2, refund: 2 };

const REST = "The rest of this answer is only there to be streamed in several pieces, so that a fault may come between two of them.";

export const inputOf = ({ number, value, block, refund }: Asked): string =>
  `job ${number} value ${value}${refund === true ? " refund" : ""}${block === undefined ? "" : ` block ${block.tool} ${block.ms}`}`;

export function askedIn(input: string): Asked | undefined {
  const match = /^job (\d+) value (\d+)( refund)?(?: block (note|charge) (\d+))?$/.exec(input);
  if (match === null) return undefined;
  const [, number, value, refund, tool, ms] = match;
  const blocking = TOOLS.find((known) => known === tool);
  return {
    number: Number(number),
    value: Number(value),
    ...(refund === undefined ? {} : { refund: true }),
    ...(blocking === undefined ? {} : { block: { tool: blocking, ms: Number(ms) } }),
  };
}

const RESULTS: Readonly<Record<ToolName, (value: number) => string>> = {
  note: (value) => `noted ${value * 2 + 1}`,
  charge: (value) => `charged ${value * 3 + 2}`,
  refund: (value) => `refunded ${value * 5 + 3}`,
};
/** What is said of a refund that a person refused, whatever words the model is told it in. */
export const NOT_REFUNDED = "not refunded";

/** What a tool answers: a function of its arguments, so that a repeat and a resolution by hand say the same. */
export const toolResult = (tool: ToolName, value: number): string => RESULTS[tool](value);

/** In the order of their calls. */
export const toolResults = ({ value, refund }: Asked, isRefunded: boolean): readonly (readonly [tool: ToolName, result: string])[] => [
  ...USUAL_TOOLS.map((tool) => [tool, toolResult(tool, value)] as const),
  ...(refund === true ? [["refund", isRefunded ? toolResult("refund", value) : NOT_REFUNDED] as const] : []),
];

export const expectedOutput = (job: Asked, isRefunded = false): string =>
  answerText(
    job.number,
    toolResults(job, isRefunded).map(([, result]) => result),
  );

const answerText = (number: number, results: readonly string[]): string => `Job ${number}: ${results.join("; ")}. ${REST}`;

/** Which of the run's turns this call is. Undefined for a call that no right run makes. */
export function turnOf(call: FakeCall): number | undefined {
  const hasResult = (tool: ToolName): boolean => call.toolResults.some(({ name }) => name === tool);
  if (call.model === "opener-model") return hasResult("note") ? 1 : 0;
  if (call.model === "middle-model") return hasResult("charge") ? 3 : 2;
  return call.model === "closer-model" ? 4 : undefined;
}

/** What the provider answers at a turn. The closer's answer is made of what the tools' results say in the transcript. */
export function replyAt(job: Asked, turn: number, call: FakeCall): FakeReply {
  const args = { job: job.number, value: job.value, blockMs: 0 };
  const argsOf = (tool: ToolName) => ({ ...args, blockMs: job.block?.tool === tool ? job.block.ms : 0 });
  const calls = (...tools: readonly ToolName[]): FakeReply => ({ toolCalls: tools.map((name) => ({ name, arguments: argsOf(name) })) });
  const resultOf = (tool: ToolName): string => toldResult(tool, call.toolResults.findLast(({ name }) => name === tool)?.output);
  switch (turn) {
    case 0:
      return calls("note");
    case 1:
      return { toolCalls: [{ name: "transfer_to_middle", arguments: {} }] };
    case 2:
      return job.refund === true ? calls("charge", "refund") : calls("charge");
    case 3:
      return { toolCalls: [{ name: "transfer_to_closer", arguments: {} }] };
    default:
      return {
        text: answerText(
          job.number,
          toolResults(job, false).map(([tool]) => resultOf(tool)),
        ),
        chunk: 16,
        chunkDelayMs: 4,
      };
  }
}

/** A refusal's words are the fleet's; that it is one is what counts. */
export function toldResult(tool: ToolName, output: string | undefined): string {
  if (output === undefined) return `no ${tool}`;
  return tool === "refund" && !output.startsWith("refunded ") ? NOT_REFUNDED : output;
}
