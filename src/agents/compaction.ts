/**
 * What of a conversation a run is shown. Before the model's context is full, older turns give way: they are left out, or a summary stands
 * for them. Turns go whole, so that no tool's result loses its call.
 */
import { Agent, type AgentInputItem, Runner } from "@openai/agents";
import type { ConversationTurn } from "../protocol/conversation.ts";
import type { Json } from "../protocol/json.ts";
import type { AnyAgent } from "./catalog.ts";
import type { HopState } from "./hop-state.ts";

export interface Compaction {
  /** When the conversation's last run used more tokens than this for one model call, as the provider counted them. */
  readonly overTokens?: number;
  /** Or when the conversation holds more items than this. */
  readonly overItems?: number;
  /** So many of the newest turns stay as they are. */
  readonly keepTurns: number;
  /** Older turns are left out, or an agent, or a model by its name, sums them up. */
  readonly how: "drop-oldest" | { readonly summariseWith: AnyAgent | string };
}

export interface ConversationPolicy {
  readonly compact: Compaction;
}

export const itemsOf = (turns: readonly ConversationTurn[]): Json[] =>
  // Each turn's text is a JSON array that a run or a session wrote.
  turns.flatMap(({ itemsJson }) => JSON.parse(itemsJson) as Json[]);

/** How many of the oldest turns give way. */
export function turnsToCompact(turns: readonly ConversationTurn[], policy: Compaction | undefined): number {
  if (policy === undefined) return 0;
  const older = Math.max(0, turns.length - policy.keepTurns);
  // A summary alone would only be summed up again.
  if (older === 0 || (older === 1 && turns[0]?.type === "summary")) return 0;
  const { overTokens = Number.POSITIVE_INFINITY, overItems = Number.POSITIVE_INFINITY } = policy;
  return tokensOf(turns) > overTokens || itemsOf(turns).length > overItems ? older : 0;
}

/** English text has about so many. Only for what no provider has counted. */
const BYTES_PER_TOKEN = 4;

/** The newest count of a provider, which covers all that came before it, and a guess for what came after it. */
function tokensOf(turns: readonly ConversationTurn[]): number {
  const counted = turns.findLastIndex(({ contextTokens }) => contextTokens > 0);
  const guessed = turns.slice(counted + 1).reduce((sum, { itemsJson }) => sum + Buffer.byteLength(itemsJson), 0);
  return (turns[counted]?.contextTokens ?? 0) + Math.ceil(guessed / BYTES_PER_TOKEN);
}

const INSTRUCTIONS =
  "You are given the older part of a conversation between a user and an assistant, as JSON items. Sum it up for the assistant, which goes on " +
  "with the conversation and sees the summary in place of these items. Keep names, numbers, decisions, open questions and results of tools. " +
  "Write nothing else.";

/** One model call of the run: journaled, charged to it, and replayed by later attempts. */
export async function summarise(hop: HopState, how: AnyAgent | string, older: readonly Json[]): Promise<Json[]> {
  const agent = typeof how === "string" ? new Agent({ name: "conversation-summary", instructions: INSTRUCTIONS, model: how }) : how;
  // Not the hop's own runner, so that the call gets a frame of its own.
  const runner = new Runner({ tracingDisabled: true });
  const input: AgentInputItem[] = [{ type: "message", role: "user", content: JSON.stringify(older) }];
  const result = await runner.run(agent, input, { signal: hop.signal, context: hop.context.value });
  const { finalOutput } = result;
  const text = typeof finalOutput === "string" ? finalOutput : JSON.stringify(finalOutput ?? "");
  return [{ type: "message", role: "user", content: `Summary of the conversation so far:\n${text}` }];
}
