/**
 * Finds a model call's place in the journal (I4). What was asked before must be asked again in the same words, and no call comes before one
 * that is journaled, else the attempt stops (I5).
 */
import type { ModelRequest, ModelResponse } from "@openai/agents";
import { modelKey, TOP_FRAME } from "../protocol/journal.ts";
import { currentScope, type Frame, type HopState, ReplayDivergedError } from "./hop-state.ts";
import { askedOf, decodeModelEntry, differenceOf, fingerprintOf, type Rejection, rejectionsAt } from "./journal-entry.ts";
import { countCalls } from "./loops.ts";
import { toUsage } from "./usage.ts";

export interface PlacedCall {
  readonly hop: HopState;
  readonly frame: Frame;
  readonly index: number;
  readonly key: string;
  readonly fingerprint: string;
  readonly model: string;
  /** As the provider is asked: with what was wrong with earlier answers, which the SDK's own request does not say. */
  readonly request: ModelRequest;
  readonly startedAtMs: number;
  readonly recorded: ModelResponse | undefined;
}

/** Finds the call's place in the journal; undefined outside a hop. */
export function placeCall(name: string, request: ModelRequest): PlacedCall | undefined {
  const scope = currentScope();
  if (scope === undefined) return undefined;
  const { hop, frame } = scope;
  const { index, key } = hop.takeCall(frame);
  const fingerprint = fingerprintOf(name, request);
  const entry = hop.journal.entries.get(key);
  const base = { hop, frame, index, key, fingerprint, model: name, request, startedAtMs: hop.clock.nowMs() };
  if (entry !== undefined) {
    const recorded = decodeModelEntry(entry);
    if (!recorded.given && recorded.fingerprint !== fingerprint) {
      const before = hop.journal.entries.get(modelKey(frame.id, index - 1));
      const same = before === undefined ? 0 : (decodeModelEntry(before).asked?.items ?? 0);
      const what = differenceOf(recorded.asked, askedOf(name, request), same);
      throw diverged(hop, key, `the request is not the one that was journaled (${what})`);
    }
    frame.unreplayed.delete(index);
    frame.answered = { key, text: textOf(recorded.response) };
    countCalls(hop, frame, key, recorded.response.output);
    countContext(base, toUsage(recorded.response.usage));
    return { ...base, recorded: recorded.given ? forAnyModel(hop, recorded.response) : recorded.response };
  }
  if (isBehindReplay(frame)) throw diverged(hop, key, "the journal has later calls of this run, but not this one");
  hop.signal.throwIfAborted();
  delete frame.answered;
  hop.journal.open.add(key);
  return { ...base, request: withRejections(request, rejectionsAt(hop.journal.entries, key)), recorded: undefined };
}

/**
 * What was wrong with earlier answers is told to the model and to nobody else: the SDK's request, its fingerprint and the transcript stay as
 * they are, so that a replay after a crash meets the same journal.
 */
function withRejections(request: ModelRequest, rejections: readonly Rejection[]): ModelRequest {
  if (rejections.length === 0) return request;
  const asked = typeof request.input === "string" ? [{ role: "user" as const, content: request.input }] : request.input;
  const told = rejections.flatMap(({ answer, reason }) => [
    ...(answer === ""
      ? []
      : [{ role: "assistant" as const, status: "completed" as const, content: [{ type: "output_text" as const, text: answer }] }]),
    {
      role: "user" as const,
      content: `That answer cannot be used. ${reason} Give the whole answer again, as one JSON object of the asked form.`,
    },
  ]);
  return { ...request, input: [...asked, ...told] };
}

/** What one model thought, in its own sealed form, is refused by another; and so are the hosted calls that it led to, without it. */
function forAnyModel({ secondChance }: HopState, response: ModelResponse): ModelResponse {
  if (secondChance.model === undefined) return response;
  const thoughtAt = response.output.findIndex(({ type }) => type === "reasoning");
  if (thoughtAt < 0) return response;
  const isKept = ({ type }: { readonly type?: string | undefined }, at: number): boolean =>
    type !== "reasoning" && (type !== "hosted_tool_call" || at < thoughtAt);
  return { ...response, output: response.output.filter(isKept) };
}

/** True where a call that is not journaled comes before one that is: in the frame itself, or in one that went on when this one had ended. */
const isBehindReplay = ({ unreplayed, caller }: Frame): boolean => unreplayed.size > 0 || (caller !== undefined && isBehindReplay(caller));

function diverged(hop: HopState, key: string, why: string): ReplayDivergedError {
  const error = new ReplayDivergedError(`At model call ${key}, ${why}: the agent's code or input changed under the run.`);
  hop.fail(error);
  return error;
}

export const textOf = (response: ModelResponse): string =>
  response.output
    .flatMap((item) =>
      item.type === "message" && item.role === "assistant"
        ? item.content.map((part) => (part.type === "output_text" ? part.text : ""))
        : [],
    )
    .join("");

/** What the conversation's next run will be shown is about what this call was: question and answer. */
export function countContext(
  { hop, frame }: Pick<PlacedCall, "hop" | "frame">,
  { inputTokens, outputTokens }: ReturnType<typeof toUsage>,
): void {
  if (frame.id === TOP_FRAME) hop.contextTokens = inputTokens + outputTokens;
}
