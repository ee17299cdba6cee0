/** The journal seam for model calls: a journaled answer is replayed, a live one is written down before the SDK sees it (I4). */
import type { Model, ModelProvider, ModelRequest, ModelResponse, StreamEvent } from "@openai/agents";
import { ModelRefusalError, Usage } from "@openai/agents";
import { cut, LIMITS } from "../protocol/limits.ts";
import { FleetError } from "../protocol/errors.ts";
import type { RunEvent } from "../protocol/events.ts";
import { TOP_FRAME } from "../protocol/journal.ts";
import { tallyOfCall } from "../protocol/totals.ts";
import { type EarlyEnd, earlyEndOf } from "./finish-reason.ts";
import { askedOf, decodeModelEntry, encodeModelEntry } from "./journal-entry.ts";
import { withSoleJson } from "./structured-answer.ts";
import { countCalls } from "./loops.ts";
import { receiptOf, toUsage, withReceipt } from "./usage.ts";
import { countContext, type PlacedCall, placeCall, textOf } from "./placed-call.ts";

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

async function respond(inner: Model, name: string, request: ModelRequest): Promise<ModelResponse> {
  const call = placeCall(name, request);
  if (call === undefined) return inner.getResponse(request);
  if (call.recorded !== undefined) return decided(call, call.recorded);
  try {
    const response = await inner.getResponse(call.request);
    return await journal(call, response, earlyEndOf(response.providerData));
  } catch (error) {
    throw giveBack(call, error);
  }
}

async function* stream(inner: Model, name: string, request: ModelRequest): AsyncIterable<StreamEvent> {
  const call = placeCall(name, request);
  if (call === undefined) {
    yield* inner.getStreamedResponse(request);
    return;
  }
  if (call.recorded !== undefined) {
    yield { type: "response_started" };
    yield doneEvent(await decided(call, call.recorded));
    return;
  }
  let earlyEnd: EarlyEnd | undefined;
  let shown = 0;
  let done = false;
  try {
    for await (const event of inner.getStreamedResponse(call.request)) {
      if (event.type === "output_text_delta" && call.frame.id === TOP_FRAME) {
        call.hop.live.append(turnOf(call), { offset: shown, text: event.delta });
        shown += event.delta.length;
      }
      if (event.type === "model") earlyEnd = earlyEndOf(event.event) ?? earlyEnd;
      if (event.type !== "response_done") {
        yield event;
        continue;
      }
      done = true;
      yield doneEvent(await journal(call, fromDone(event), earlyEnd ?? earlyEndOf(event.response.providerData)));
    }
    if (!done) throw Object.assign(new Error("The model's stream ended before its answer did."), { name: "APIConnectionError" });
  } catch (error) {
    throw giveBack(call, earlyEnd === "content_filter" && !done ? withheld() : error);
  } finally {
    if (!done) release(call);
  }
}

/** Writes the answer down. What another attempt wrote first is the answer. */
async function journal(call: PlacedCall, response: ModelResponse, earlyEnd: EarlyEnd | undefined): Promise<ModelResponse> {
  const output = renameCalls(call, withSoleJson(response.output, call.request.outputType));
  const receipt = receiptOf(response);
  const usage = withReceipt(toUsage(response.usage), receipt);
  const counted = { model: call.model, numbers: tallyOfCall(usage, receipt, call.hop.clock.nowMs() - call.startedAtMs) };
  if (earlyEnd !== undefined) {
    // Paid for, but no answer: kept beside the journal for reading, never replayed.
    const key = `x:${call.frame.id}:${call.index}:${call.hop.identity.attempt}`;
    const valueJson = encodeModelEntry(identityOf(call), call.hop.turn, { ...response, output });
    await call.hop.write({ key, valueJson, usage, turns: 0, event: undefined, call: counted });
    throw earlyEnd === "length" ? truncated() : withheld();
  }
  const valueJson = encodeModelEntry(identityOf(call), call.hop.turn, { ...response, output });
  const top = call.frame.id === TOP_FRAME;
  // The event has the text as it was streamed, which followers compare with what they have shown.
  const event = eventOf(call, { ...response, output: renameCalls(call, response.output) }, top);
  const stored = await call.hop.write({ key: call.key, valueJson, usage, turns: top ? 1 : 0, event, call: counted });
  const answer = stored === valueJson ? { ...response, output } : decodeModelEntry(stored).response;
  call.frame.answered = { key: call.key, text: textOf(answer) };
  countCalls(call.hop, call.frame, call.key, answer.output);
  countContext(call, usage);
  return decided(call, answer);
}

/**
 * The answer with the arguments that people edited: what the SDK checks, runs and tells the model in later turns is what really ran. The
 * journal and the turn's event keep what the model said.
 */
async function decided({ hop, frame }: PlacedCall, response: ModelResponse): Promise<ModelResponse> {
  const output: ModelResponse["output"] = [];
  for (const item of response.output) {
    if (item.type !== "function_call") output.push(item);
    else {
      const call = { callId: item.callId, tool: item.name, arguments: item.arguments };
      const args = await hop.people.meet(call, frame.tools.get(item.name));
      output.push(args === item.arguments ? item : { ...item, arguments: args });
    }
  }
  return { ...response, output };
}

const identityOf = ({ fingerprint, model, request }: PlacedCall): Parameters<typeof encodeModelEntry>[0] => ({
  fingerprint,
  asked: askedOf(model, request),
});

const truncated = (): FleetError =>
  new FleetError("MODEL_OUTPUT_TRUNCATED", "The model's answer was cut off at its token limit.", {
    remedy: "raise modelSettings.maxTokens of the agent, or ask for a shorter answer",
  });

const withheld = (): ModelRefusalError => new ModelRefusalError("The provider's content filter withheld the answer.");

const turnOf = (call: PlacedCall): number => call.hop.identity.turnsBefore + call.index + 1;

function eventOf(call: PlacedCall, response: ModelResponse, top: boolean): RunEvent {
  const receipt = receiptOf(response);
  const shared = {
    ...call.hop.at(),
    model: call.model,
    usage: toUsage(response.usage),
    ...(receipt === undefined ? {} : { receipt }),
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

const RUN_MARK_CHARS = 10;

/**
 * Call ids are made anew: some providers reuse theirs, and the SDK then skips the call in silence. They name the call's place and the attempt
 * that sampled it, and are journaled with it: a replay finds the same ids, while a turn that is sampled anew gets others, so that neither an
 * approval nor a result of the rejected answer is taken for one of the new.
 */
function renameCalls(call: PlacedCall, output: ModelResponse["output"]): ModelResponse["output"] {
  const frame = call.frame.id === TOP_FRAME ? "" : `f${call.frame.id.replace(".", "x")}`;
  const { hop, attempt, runId, root, conversation } = call.hop.identity;
  const prefix = `call_h${hop}a${attempt}${frame}t${call.index}`;
  // What earlier runs of a conversation called stands in the same transcript, and what the source of a run called may stand in the books of
  // its tools: neither may be met again. The end of a run id is its random part.
  const mark = conversation === undefined && runId === root ? "" : `_${runId.slice(-RUN_MARK_CHARS)}`;
  return output.map((item, position) => (item.type === "function_call" ? { ...item, callId: `${prefix}_${position}${mark}` } : item));
}

/** The place is free: the call was not answered. */
function release(call: PlacedCall): void {
  call.frame.used.delete(call.index);
  call.hop.journal.open.delete(call.key);
}

function giveBack(call: PlacedCall, error: unknown): unknown {
  release(call);
  // In a nested agent the SDK would tell the model about it; a failure that passes must instead end the attempt.
  if (call.frame.id !== TOP_FRAME && call.hop.isRetryable(error)) call.hop.fail(error);
  return error;
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
