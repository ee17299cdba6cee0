/**
 * Loops: the same tool calls with the same arguments again and again, and handoffs in circles. What is looked at is journaled (the calls in a
 * frame's answers) or in the record (the agents that had the run), so every attempt finds the same loop at the same place.
 */
import type { ModelResponse } from "@openai/agents";
import type { Decision, Loop } from "../protocol/run.ts";
import type { Frame, HopState } from "./hop-state.ts";
import { canonicalJson, sha256 } from "./journal-entry.ts";

export interface RepeatLimits {
  /** The same call, or the same cycle of up to three calls, may be made so often in a row. Default 5, at most 100. */
  readonly calls?: number;
  /** The run may go round the same up to three agents so often in a row. Default 3, at most 10. */
  readonly handoffs?: number;
  /** What a loop does to the run: ends it as failed, or has a person asked. Default `stop`. */
  readonly onLoop?: "stop" | "ask";
}

export const REPEAT_DEFAULTS = { calls: 5, handoffs: 3, onLoop: "stop" } as const;
export const MOST_REPEATS = { calls: 100, handoffs: 10 } as const;
/** Calls or agents in the longest cycle that is noticed. */
const LONGEST_CYCLE = 3;

/** The attempt must not go on: it goes round in circles. */
export class LoopDetectedError extends Error {
  override readonly name = "LoopDetectedError";
  readonly loop: Loop;
  /** The answer that closed the loop: who tries the run again forgets it. */
  readonly answerKey: string | undefined;

  constructor(loop: Loop, answerKey?: string) {
    super(`${describe(loop)} more than ${loop.rounds} times in a row.`);
    this.loop = loop;
    this.answerKey = answerKey;
  }
}

const describe = ({ kind, cycle }: Loop): string => {
  if (kind === "handoffs") return `The run went round ${cycle.join(" → ")}`;
  return cycle.length === 1 ? `${cycle[0]} was called with the same arguments` : `The same calls of ${cycle.join(" → ")} were made`;
};

/** The length of the cycle that `sequence` ends with, where more than `rounds` rounds of it stand there. */
export function cycleAtEnd(sequence: readonly string[], rounds: number): number | undefined {
  for (let length = 1; length <= LONGEST_CYCLE; length += 1) {
    const tail = sequence.slice(-(length * rounds + 1));
    const isWhole = tail.length === length * rounds + 1;
    if (isWhole && tail.every((entry, index) => index < length || entry === tail[index - length])) return length;
  }
  return undefined;
}

/**
 * Counts the calls of an answer, before any of them is made. Where a person let a loop go on, the count begins anew.
 * @param key the answer's place in the journal
 * @throws LoopDetectedError
 */
export function countCalls(hop: HopState, frame: Frame, key: string, output: ModelResponse["output"]): void {
  const { repeats } = hop;
  if (repeats === undefined) return;
  for (const item of output) {
    if (item.type !== "function_call" || frame.repeatable.has(item.name)) continue;
    frame.calls.push({ tool: item.name, call: sha256(`${item.name} ${canonicalArguments(item.arguments)}`) });
    const length = cycleAtEnd(
      frame.calls.map(({ call }) => call),
      repeats.calls,
    );
    if (length === undefined) continue;
    const id = `loop:${hop.identity.hop}:${key}`;
    const cycle = frame.calls
      .splice(0)
      .slice(-length)
      .map(({ tool }) => tool);
    if (hop.decisions.get(id)?.approve === true) return;
    const error = new LoopDetectedError({ id, kind: "calls", cycle, rounds: repeats.calls }, key);
    hop.fail(error);
    throw error;
  }
  frame.calls.splice(0, frame.calls.length - LONGEST_CYCLE * repeats.calls - 1);
}

/** Arguments that mean the same are the same, however the model wrote them. */
function canonicalArguments(text: string): string {
  try {
    return canonicalJson(JSON.parse(text));
  } catch {
    return text;
  }
}

export interface HandoffHistory {
  readonly hop: number;
  readonly agent: string;
  /** The agents that had the run before, oldest first. */
  readonly recentAgents: readonly string[];
  readonly decisions: ReadonlyMap<string, Decision>;
}

/** The loop that a handoff to `to` would close, if any. What a person let go on counts no more. */
export function loopOfHandoffs({ hop, agent, recentAgents, decisions }: HandoffHistory, to: string, rounds: number): Loop | undefined {
  const idOf = (at: number): string => `loop:${at}:handoff`;
  if (decisions.get(idOf(hop))?.approve === true) return undefined;
  const agents = [...recentAgents, agent];
  const allowed = agents.findLastIndex((_, index) => decisions.get(idOf(hop - (agents.length - 1 - index)))?.approve === true);
  const sequence = [...agents.slice(allowed + 1), to];
  const length = cycleAtEnd(sequence, rounds);
  return length === undefined ? undefined : { id: idOf(hop), kind: "handoffs", cycle: sequence.slice(-length - 1, -1), rounds };
}
