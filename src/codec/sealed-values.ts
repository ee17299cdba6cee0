/**
 * Which parts of a run are the user's, in one place for both directions: sealing and opening are the same walk with another change of the
 * values it meets. Ids, names, states, codes and numbers stay as they are: scripts and indexes work on them.
 */
import { isFleetError } from "../protocol/errors.ts";
import type { RunEvent } from "../protocol/events.ts";
import type { Json } from "../protocol/json.ts";
import type { Approval, Decided, Decision, Intent, RunErrorInfo, RunInfo, TrippedGuardrail } from "../protocol/run.ts";
import type { Recording } from "../protocol/seed.ts";
import { isSealed, notSealed, type PayloadCodec } from "./payload-codec.ts";

/** What is done to the values of one run. */
export interface Change {
  /** A text that the store keeps as it is, such as a transcript chunk in JSON. */
  document(text: string, field: string): string;
  /** A text for reading, such as a tool's arguments in an event. */
  text(text: string, field: string): string;
  /** A text that the store's scripts may have written themselves. */
  message(text: string, field: string): string;
  /** A value that the store parses as JSON; sealed, it is an object of one member. */
  json(value: Json, field: string): Json;
  /** A text that stands in many runs and beside them, such as why a tenant is paused. */
  shared(text: string, field: string): string;
}

/** Stands in the place of a run's id where a text belongs to no run alone. */
const SHARED = "shared";

/** No tool or model puts out such an object by itself. */
const MEMBER = "$sealed";

export function sealing(codec: PayloadCodec, runId: string): Change {
  const text = (value: string, field: string): string => codec.seal(value, { runId, field });
  return {
    document: text,
    text,
    message: text,
    shared: (value, field) => codec.seal(value, { runId: SHARED, field }),
    json: (value, field) => (codec.seals ? { [MEMBER]: text(JSON.stringify(value), field) } : value),
  };
}

export function opening(codec: PayloadCodec, runId: string): Change {
  const document = (value: string, field: string): string => codec.open(value, { runId, field });
  // Without keys a text for reading is shown as it is: a plain text may look sealed by chance or by malice.
  const text = (value: string, field: string): string => (codec.seals ? document(value, field) : value);
  return {
    document,
    text,
    shared: (value, field) => (codec.seals ? codec.open(value, { runId: SHARED, field }) : value),
    message: (value, field) => (isSealed(value) ? text(value, field) : value),
    json(value, field) {
      const sealed = sealedMember(value);
      // `sealing` wrote the text of a JSON value.
      if (sealed !== undefined) return JSON.parse(document(sealed, field)) as Json;
      if (codec.requireSealed) throw notSealed({ runId, field });
      return value;
    },
  };
}

/** `opening` for overviews: what does not open stays sealed, so that one run with a lost key hides no other. */
export function openingWherePossible(codec: PayloadCodec, runId: string): Change {
  const strict = opening(codec, runId);
  const orAsItIs =
    <T>(open: (value: T, field: string) => T) =>
    (value: T, field: string): T => {
      try {
        return open(value, field);
      } catch (error) {
        if (isFleetError(error) && ["PAYLOAD_KEY_MISSING", "PAYLOAD_NOT_SEALED"].includes(error.code)) return value;
        throw error;
      }
    };
  return {
    document: orAsItIs(strict.document),
    text: orAsItIs(strict.text),
    message: orAsItIs(strict.message),
    shared: orAsItIs(strict.shared),
    json: orAsItIs(strict.json),
  };
}

function sealedMember(value: Json): string | undefined {
  if (typeof value !== "object" || value === null || !(MEMBER in value)) return undefined;
  const sealed = value[MEMBER];
  return typeof sealed === "string" && isSealed(sealed) && Object.keys(value).length === 1 ? sealed : undefined;
}

export const mapIntent = (intent: Intent, change: Change): Intent => ({
  ...intent,
  arguments: change.text(intent.arguments, `intent:${intent.callId}`),
});

export const mapApproval = (approval: Approval, change: Change): Approval => ({
  ...approval,
  arguments: change.text(approval.arguments, `approval:${approval.callId}`),
  ...(approval.parametersJson === undefined
    ? {}
    : { parametersJson: change.text(approval.parametersJson, `approval:${approval.callId}:parameters`) }),
});

/** Who, why and with which arguments: in a decision, in its record and in its event. */
export function mapDecision<D extends Pick<Decision, "by" | "reason" | "arguments">>(decision: D, callId: string, change: Change): D {
  const { by, reason, arguments: args } = decision;
  return {
    ...decision,
    ...(by === undefined ? {} : { by: change.text(by, `decision:${callId}:by`) }),
    ...(reason === undefined ? {} : { reason: change.text(reason, `decision:${callId}`) }),
    ...(args === undefined ? {} : { arguments: change.text(args, `decision:${callId}:arguments`) }),
  };
}

export function mapDecided(decided: Decided, change: Change): Decided {
  const { callId, refused } = decided;
  const mapped = mapDecision(decided, callId, change);
  return refused === undefined ? mapped : { ...mapped, refused: { ...refused, why: change.text(refused.why, `refusal:${callId}`) } };
}

const mapGuardrail = (guardrail: TrippedGuardrail, change: Change): TrippedGuardrail =>
  guardrail.info === undefined ? guardrail : { ...guardrail, info: change.json(guardrail.info, "error.guardrail.info") };

export const mapError = (error: RunErrorInfo, change: Change): RunErrorInfo => ({
  ...error,
  message: change.message(error.message, "error.message"),
  ...(error.answer === undefined ? {} : { answer: change.text(error.answer, "error.answer") }),
  ...(error.guardrail === undefined ? {} : { guardrail: mapGuardrail(error.guardrail, change) }),
});

/** Of a pause, or of what a person says with one. */
export const mapPause = <T extends { readonly reason?: string | undefined }>(pause: T, change: Change): T =>
  pause.reason === undefined ? pause : { ...pause, reason: change.shared(pause.reason, "pause.reason") };

export function mapInfo(info: RunInfo, change: Change): RunInfo {
  const metadata = change.json(info.metadata, "metadata");
  return {
    ...info,
    // A submission's metadata is an object, and sealing keeps what it was.
    metadata: metadata as RunInfo["metadata"],
    openIntents: info.openIntents.map((intent) => mapIntent(intent, change)),
    approvals: info.approvals.map((approval) => mapApproval(approval, change)),
    ...(info.pause === undefined ? {} : { pause: mapPause(info.pause, change) }),
    decisions: info.decisions.map((decided) => mapDecided(decided, change)),
    ...(info.error === undefined ? {} : { error: mapError(info.error, change) }),
  };
}

/** Every kind of event is named, so that a new one does not compile before somebody says what of it is the user's. */
export function mapEvent(event: RunEvent, change: Change): RunEvent {
  switch (event.type) {
    case "turn.completed":
      return {
        ...event,
        text: change.text(event.text, `turn:${event.turn}`),
        toolCalls: event.toolCalls.map((call) => ({ ...call, arguments: change.text(call.arguments, `call:${call.callId}`) })),
      };
    case "tool.completed":
      return { ...event, preview: change.text(event.preview, `preview:${event.callId}`) };
    case "run.handed-off":
      return event.arguments === undefined ? event : { ...event, arguments: change.text(event.arguments, "handoff.arguments") };
    case "run.suspended":
      return {
        ...event,
        ...(event.approvals === undefined ? {} : { approvals: event.approvals.map((approval) => mapApproval(approval, change)) }),
        ...(event.error === undefined ? {} : { error: mapError(event.error, change) }),
      };
    case "approval.decided":
      return mapDecision(event, event.callId, change);
    case "approval.refused":
      return {
        ...event,
        why: change.text(event.why, `refusal:${event.callId}`),
        ...(event.by === undefined ? {} : { by: change.text(event.by, `decision:${event.callId}:by`) }),
      };
    case "run.retrying":
    case "run.failed":
    case "run.blocked":
    case "run.refused":
      return { ...event, error: mapError(event.error, change) };
    case "pause.requested":
    case "run.paused":
      return { ...event, pause: mapPause(event.pause, change) };
    case "run.completed":
      return { ...event, output: change.json(event.output, "output") };
    case "loop.detected":
    case "run.queued":
    case "attempt.started":
    case "model.called":
    case "tool.started":
    case "tool.denied":
    case "run.resumed":
    case "attempt.released":
    case "attempt.lost":
    case "cancel.requested":
    case "run.cancelled":
    case "run.expired":
      return event;
  }
}

export const mapDecisions = (decisions: ReadonlyMap<string, Decided>, change: Change): Map<string, Decided> =>
  new Map([...decisions].map(([callId, decided]) => [callId, mapDecided(decided, change)]));

export const mapRecording = (recording: Recording, index: number, change: Change): Recording => ({
  ...recording,
  arguments: change.text(recording.arguments, `recorded arguments:${index}`),
  valueJson: change.document(recording.valueJson, `recording:${index}`),
});
