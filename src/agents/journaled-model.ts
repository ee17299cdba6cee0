/**
 * The journal seam for model calls: a journaled answer is replayed, a live one is written down before the SDK sees it (I4).
 * What was asked before must be asked again in the same words, else the attempt stops (I5).
 */
import type { Model, ModelProvider, ModelRequest, ModelResponse, StreamEvent } from "@openai/agents";
import { Usage } from "@openai/agents";
import { cut, LIMITS } from "../protocol/limits.ts";
import { FleetError } from "../protocol/errors.ts";
import type { RunEvent } from "../protocol/events.ts";
import { currentScope, type Frame, type HopState, ReplayDivergedError, TOP_FRAME } from "./hop-state.ts";
import { decodeModelEntry, encodeModelEntry, fingerprintOf } from "./journal-entry.ts";
import { toUsage } from "./usage.ts";

/** Wraps every model of `inner`. Outside a hop the models behave as if unwrapped. */
export const journaledProvider = (inner: ModelProvider): ModelProvider => ({
  getModel: async (name) => journaledModel(await inner.getModel(name), name ?? "default"),
});

export function journaledModel(inner: Model, name: string): Model {
  return {
    get supportsPromptModelSelection() {
      return inner.supportsPromptModelSelection ?? false;
    },
    getResponse: (request) => respond(inner, name, request),
    getStreamedResponse: (request) => stream(inner, name, request),
    getRetryAdvice: (args) => inner.getRetryAdvice?.(args),
  };
}

interface PendingCall {
  readonly hop: HopState;
  readonly frame: Frame;
  readonly index: number;
  readonly key: string;
  readonly fingerprint: string;
  readonly model: string;
  readonly startedAtMs: number;
  readonly recorded: ModelResponse | undefined;
}

async function respond(inner: Model, name: string, request: ModelRequest): Promise<ModelResponse> {
  const call = place(name, request);
  if (call === undefined) return inner.getResponse(request);
  if (call.recorded !== undefined) return call.recorded;
  try {
    const response = await inner.getResponse(request);
    return await journal(call, response, finishReasonOf(response.providerData));
  } catch (error) {
    throw giveBack(call, error);
  }
}

async function* stream(inner: Model, name: string, request: ModelRequest): AsyncIterable<StreamEvent> {
  const call = place(name, request);
  if (call === undefined) {
    yield* inner.getStreamedResponse(request);
    return;
  }
  if (call.recorded !== undefined) {
    yield { type: "response_started" };
    yield doneEvent(call.recorded);
    return;
  }
  let finishReason: string | undefined;
  let shown = 0;
  let done = false;
  try {
    for await (const event of inner.getStreamedResponse(request)) {
      if (event.type === "output_text_delta" && call.frame.id === TOP_FRAME) {
        call.hop.live.append(turnOf(call), { offset: shown, text: event.delta });
        shown += event.delta.length;
      }
      if (event.type === "model") finishReason = finishReasonOf(event.event) ?? finishReason;
      if (event.type !== "response_done") {
        yield event;
        continue;
      }
      done = true;
      yield doneEvent(await journal(call, fromDone(event), finishReason ?? finishReasonOf(event.response.providerData)));
    }
    if (!done) throw Object.assign(new Error("The model's stream ended before its answer did."), { name: "APIConnectionError" });
  } catch (error) {
    throw giveBack(call, error);
  } finally {
    if (!done) call.frame.used.delete(call.index);
  }
}

/** Finds the call's place in the journal; undefined outside a hop. */
function place(name: string, request: ModelRequest): PendingCall | undefined {
  const scope = currentScope();
  if (scope === undefined) return undefined;
  const { hop, frame } = scope;
  const { index, key } = hop.takeCall(frame);
  const fingerprint = fingerprintOf(name, request);
  const entry = hop.journal.entries.get(key);
  const base = { hop, frame, index, key, fingerprint, model: name, startedAtMs: hop.clock.nowMs() };
  if (entry !== undefined) {
    const recorded = decodeModelEntry(entry);
    if (recorded.fingerprint !== fingerprint) throw diverged(hop, key, "the request is not the one that was journaled");
    frame.unreplayed.delete(index);
    hop.lastModelKey = key;
    return { ...base, recorded: recorded.response };
  }
  if (isBehindReplay(frame)) throw diverged(hop, key, "the journal has later calls of this run, but not this one");
  hop.signal.throwIfAborted();
  return { ...base, recorded: undefined };
}

/** True where a call that is not journaled comes before one that is: in the frame itself, or in one that went on when this one had ended. */
const isBehindReplay = ({ unreplayed, caller }: Frame): boolean => unreplayed.size > 0 || (caller !== undefined && isBehindReplay(caller));

function diverged(hop: HopState, key: string, why: string): ReplayDivergedError {
  const error = new ReplayDivergedError(`At model call ${key}, ${why}: the agent's code or input changed under the run.`);
  hop.fail(error);
  return error;
}

/** Writes the answer down. What another attempt wrote first is the answer. */
async function journal(call: PendingCall, response: ModelResponse, finishReason: string | undefined): Promise<ModelResponse> {
  const renamed = { ...response, output: renameCalls(call, response.output) };
  const usage = toUsage(response.usage);
  if (finishReason === "length") {
    // Paid for, but no answer: kept beside the journal for reading, never replayed.
    const key = `x:${call.frame.id}:${call.index}:${call.hop.identity.attempt}`;
    await call.hop.write({ key, valueJson: encodeModelEntry(call.fingerprint, renamed), usage, turns: 0, event: undefined });

    throw new FleetError("MODEL_OUTPUT_TRUNCATED", "The model's answer was cut off at its token limit.", {
      remedy: "raise modelSettings.maxTokens of the agent, or ask for a shorter answer",
    });
  }
  const valueJson = encodeModelEntry(call.fingerprint, renamed);
  const top = call.frame.id === TOP_FRAME;
  const stored = await call.hop.write({ key: call.key, valueJson, usage, turns: top ? 1 : 0, event: eventOf(call, renamed, usage, top) });
  call.hop.lastModelKey = call.key;
  return stored === valueJson ? renamed : decodeModelEntry(stored).response;
}

const turnOf = (call: PendingCall): number => call.hop.identity.turnsBefore + call.index + 1;

function eventOf(call: PendingCall, response: ModelResponse, usage: ReturnType<typeof toUsage>, top: boolean): RunEvent {
  const shared = {
    ...call.hop.at(),
    model: call.model,
    usage,
    durationMs: call.hop.clock.nowMs() - call.startedAtMs,
  };
  if (!top) return { type: "model.called", ...shared, scope: call.frame.id };
  return {
    type: "turn.completed",
    ...shared,
    turn: turnOf(call),
    attempt: call.hop.identity.attempt,
    text: cut(textOf(response), LIMITS.eventTextChars),
    toolCalls: response.output.flatMap((item) =>
      item.type === "function_call"
        ? [{ callId: item.callId, tool: item.name, arguments: cut(item.arguments, LIMITS.eventPreviewChars) }]
        : [],
    ),
  };
}

export const textOf = (response: ModelResponse): string =>
  response.output
    .flatMap((item) =>
      item.type === "message" && item.role === "assistant"
        ? item.content.map((part) => (part.type === "output_text" ? part.text : ""))
        : [],
    )
    .join("");

/**
 * Call ids are made anew: some providers reuse theirs, and the SDK then skips the call in silence. They name the call's place and the attempt
 * that sampled it, and are journaled with it: a replay finds the same ids, while a turn that is sampled anew gets others, so that neither an
 * approval nor a result of the rejected answer is taken for one of the new.
 */
function renameCalls(call: PendingCall, output: ModelResponse["output"]): ModelResponse["output"] {
  const frame = call.frame.id === TOP_FRAME ? "" : `f${call.frame.id.replace(".", "x")}`;
  const { hop, attempt } = call.hop.identity;
  const prefix = `call_h${hop}a${attempt}${frame}t${call.index}`;
  return output.map((item, position) => (item.type === "function_call" ? { ...item, callId: `${prefix}_${position}` } : item));
}

function giveBack(call: PendingCall, error: unknown): unknown {
  call.frame.used.delete(call.index);
  // In a nested agent the SDK would tell the model about it; a failure that passes must instead end the attempt.
  if (call.frame.id !== TOP_FRAME && call.hop.isRetryable(error)) call.hop.fail(error);
  return error;
}

function finishReasonOf(raw: unknown): string | undefined {
  if (typeof raw !== "object" || raw === null || !("choices" in raw) || !Array.isArray(raw.choices)) return undefined;
  const first: unknown = raw.choices[0];
  if (typeof first !== "object" || first === null || !("finish_reason" in first)) return undefined;
  return typeof first.finish_reason === "string" ? first.finish_reason : undefined;
}

type UsageInput = ConstructorParameters<typeof Usage>[0];
type DoneEvent = Extract<StreamEvent, { type: "response_done" }>;

function fromDone({ response }: DoneEvent): ModelResponse {
  const { id, usage, ...rest } = response;
  // The stream's schema and ModelResponse describe the same items; only optional fields are spelled `| undefined`.
  return { ...rest, responseId: id, usage: new Usage({ ...usage, requests: usage.requests ?? 1 } as UsageInput) } as ModelResponse;
}

function doneEvent(response: ModelResponse): StreamEvent {
  const { usage, responseId, output } = response;
  // As in `fromDone`: the same items under the stream's schema.
  return { type: "response_done", response: { id: responseId ?? "journaled", usage, output } } as StreamEvent;
}
