/**
 * The work of the chaos runs, as pure functions of a job's number: what is asked, what the provider answers at each turn, what must come out.
 *
 *   opener: note (idempotent) ─▶ hand off ─▶ middle: charge (ask) ─▶ hand off ─▶ closer: a streamed answer made of both tools' results
 *
 * The job's number stands in the input text, so that the provider knows whose call it answers without asking the fleet.
 */
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";

export interface Job {
  readonly number: number;
  readonly value: number;
  /** The tool that holds the event loop once, and for how long. */
  readonly block?: { readonly tool: ToolName; readonly ms: number };
}

export const TOOLS = ["note", "charge"] as const;
export type ToolName = (typeof TOOLS)[number];
/** The hop in which each of a run's model calls is made. */
export const HOP_OF_TURN: readonly number[] = [0, 0, 1, 1, 2];
/** The turn whose answer asks for the tool, which a tool's effect therefore proves to be journaled. */
export const TURN_OF_TOOL: Readonly<Record<ToolName, number>> = { note: 0, charge: 2 };

const REST = "The rest of this answer is only there to be streamed in several pieces, so that a fault may come between two of them.";

export const inputOf = ({ number, value, block }: Job): string =>
  `job ${number} value ${value}${block === undefined ? "" : ` block ${block.tool} ${block.ms}`}`;

export function jobOf(input: string): Job | undefined {
  const match = /^job (\d+) value (\d+)(?: block (note|charge) (\d+))?$/.exec(input);
  if (match === null) return undefined;
  const [, number, value, tool, ms] = match;
  const blocking = TOOLS.find((known) => known === tool);
  return {
    number: Number(number),
    value: Number(value),
    ...(blocking === undefined ? {} : { block: { tool: blocking, ms: Number(ms) } }),
  };
}

/** What a tool answers: a function of its arguments, so that a repeat and a resolution by hand say the same. */
export const toolResult = (tool: ToolName, value: number): string =>
  tool === "note" ? `noted ${value * 2 + 1}` : `charged ${value * 3 + 2}`;

export const expectedOutput = ({ number, value }: Job): string =>
  answerText(number, toolResult("note", value), toolResult("charge", value));

const answerText = (number: number, noted: string, charged: string): string => `Job ${number}: ${noted}; ${charged}. ${REST}`;

/** Which of the run's turns this call is. Undefined for a call that no right run makes. */
export function turnOf(call: FakeCall): number | undefined {
  const hasResult = (tool: ToolName): boolean => call.toolResults.some(({ name }) => name === tool);
  if (call.model === "opener-model") return hasResult("note") ? 1 : 0;
  if (call.model === "middle-model") return hasResult("charge") ? 3 : 2;
  return call.model === "closer-model" ? 4 : undefined;
}

/** What the provider answers at a turn. The closer's answer is made of what the tools' results say in the transcript. */
export function replyAt(job: Job, turn: number, call: FakeCall): FakeReply {
  const args = { job: job.number, value: job.value, blockMs: 0 };
  const argsOf = (tool: ToolName) => ({ ...args, blockMs: job.block?.tool === tool ? job.block.ms : 0 });
  const resultOf = (tool: ToolName): string => call.toolResults.findLast(({ name }) => name === tool)?.output ?? `no ${tool}`;
  switch (turn) {
    case 0:
      return { toolCalls: [{ name: "note", arguments: argsOf("note") }] };
    case 1:
      return { toolCalls: [{ name: "transfer_to_middle", arguments: {} }] };
    case 2:
      return { toolCalls: [{ name: "charge", arguments: argsOf("charge") }] };
    case 3:
      return { toolCalls: [{ name: "transfer_to_closer", arguments: {} }] };
    default:
      return { text: answerText(job.number, resultOf("note"), resultOf("charge")), chunk: 16, chunkDelayMs: 4 };
  }
}
