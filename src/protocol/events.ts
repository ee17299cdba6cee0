/**
 * What happens to a run, as durable events, and the cursor with which a follower continues.
 * Live text is no event: it rides beside, and the `turn.completed` event holds the finished text.
 */
import { z } from "zod";
import { FleetError } from "./errors.ts";
import { jsonSchema } from "./json.ts";
import { originSchema } from "./origin.ts";
import { callReceiptSchema } from "./receipt.ts";
import {
  approvalSchema,
  decisionMembers,
  loopSchema,
  pauseSchema,
  runErrorSchema,
  suspensionSchema,
  type Usage,
  usageSchema,
} from "./run.ts";

const at = { atMs: z.int(), hop: z.int().min(0), agent: z.string() };

export const runEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("run.queued"), ...at, queue: z.string(), origin: originSchema.optional() }),
  z.object({
    type: z.literal("attempt.started"),
    ...at,
    attempt: z.int(),
    wake: z.int(),
    worker: z.string(),
    version: z.string().optional(),
    fingerprint: z.string().optional(),
  }),
  /** A top-level model call is journaled. `turn` counts from 1 over the whole run. */
  z.object({
    type: z.literal("turn.completed"),
    ...at,
    turn: z.int(),
    attempt: z.int(),
    model: z.string(),
    text: z.string(),
    toolCalls: z.array(z.object({ callId: z.string(), tool: z.string(), arguments: z.string() })),
    /** Tokens; what the call cost stands in its receipt. */
    usage: usageSchema,
    receipt: callReceiptSchema.optional(),
    durationMs: z.int(),
  }),
  /** A model call of a nested agent or guardrail is journaled. */
  z.object({
    type: z.literal("model.called"),
    ...at,
    scope: z.string(),
    model: z.string(),
    usage: usageSchema,
    receipt: callReceiptSchema.optional(),
    durationMs: z.int(),
  }),
  z.object({ type: z.literal("tool.started"), ...at, callId: z.string(), tool: z.string() }),
  z.object({
    type: z.literal("tool.completed"),
    ...at,
    callId: z.string(),
    tool: z.string(),
    ok: z.boolean(),
    preview: z.string(),
    durationMs: z.int(),
    /** It did not run: the run that this one was made out of had made the same call. */
    recorded: z.boolean().optional(),
  }),
  /** A call that did not run, because the run's tools are not live. The model was told. */
  z.object({ type: z.literal("tool.denied"), ...at, callId: z.string(), tool: z.string(), because: z.enum(["deny", "not-recorded"]) }),
  z.object({ type: z.literal("run.handed-off"), ...at, to: z.string(), arguments: z.string().optional() }),
  z.object({
    type: z.literal("run.suspended"),
    ...at,
    suspension: suspensionSchema,
    untilMs: z.int().optional(),
    approvals: z.array(approvalSchema).optional(),
    error: runErrorSchema.optional(),
  }),
  /** Comes before the run is suspended or failed for it. */
  z.object({ type: z.literal("loop.detected"), ...at, loop: loopSchema }),
  /** By a person, or by the tool's policy when nobody did in time. `standing`: an earlier `always` decision, on that call, was applied. */
  z.object({
    type: z.literal("approval.decided"),
    ...at,
    callId: z.string(),
    tool: z.string(),
    ...decisionMembers,
    standing: z.string().optional(),
  }),
  /** A worker did not accept the decision: the call waits again. */
  z.object({
    type: z.literal("approval.refused"),
    ...at,
    callId: z.string(),
    tool: z.string(),
    by: z.string().optional(),
    why: z.string(),
  }),
  z.object({ type: z.literal("run.resumed"), ...at, because: z.string() }),
  z.object({ type: z.literal("run.retrying"), ...at, notBeforeMs: z.int(), error: runErrorSchema }),
  z.object({ type: z.literal("attempt.released"), ...at }),
  z.object({ type: z.literal("attempt.lost"), ...at, deaths: z.int() }),
  z.object({ type: z.literal("cancel.requested"), ...at }),
  /** A person paused a run that an attempt holds or that waits for somebody; it is parked later. */
  z.object({ type: z.literal("pause.requested"), ...at, pause: pauseSchema }),
  z.object({ type: z.literal("run.paused"), ...at, pause: pauseSchema }),
  z.object({ type: z.literal("run.completed"), ...at, output: jsonSchema }),
  z.object({ type: z.enum(["run.failed", "run.blocked", "run.refused"]), ...at, error: runErrorSchema }),
  z.object({ type: z.enum(["run.cancelled", "run.expired"]), ...at }),
]);
export type RunEvent = z.infer<typeof runEventSchema>;

/** What a model call used, with its cost where it is known. */
export const spentOn = ({ usage, receipt }: Extract<RunEvent, { readonly type: "turn.completed" | "model.called" }>): Usage =>
  receipt?.costMicroUsd === undefined ? usage : { ...usage, pricedRequests: usage.requests, costMicroUsd: receipt.costMicroUsd };

export const isFinalEvent = (event: { readonly type: string }): boolean =>
  ["run.completed", "run.failed", "run.blocked", "run.refused", "run.cancelled", "run.expired"].includes(event.type);

/** What a follower sees besides durable events. Offsets count characters of the turn's text. */
export type LiveEvent =
  | { readonly type: "text.delta"; readonly turn: number; readonly attempt: number; readonly text: string }
  /** The turn was sampled anew: drop its text so far. */
  | { readonly type: "turn.restarted"; readonly turn: number; readonly attempt: number };

export type FollowedEvent = (RunEvent | LiveEvent) & {
  /** Pass it as `after` to continue behind this event. */
  readonly cursor: string;
};

/**
 * `<eventId>/<turn>/<attempt>/<offset>`: the last durable event seen, and how far the text of the turn after it was seen.
 * It survives the loss of live text, because it slices the finished text of `turn.completed`.
 */
export interface Cursor {
  readonly eventId: string;
  readonly turn: number;
  readonly attempt: number;
  readonly offset: number;
}

export const START: Cursor = { eventId: "0-0", turn: 0, attempt: 0, offset: 0 };

export const formatCursor = (cursor: Cursor): string => `${cursor.eventId}/${cursor.turn}/${cursor.attempt}/${cursor.offset}`;

/** @throws FleetError INPUT_INVALID for anything `formatCursor` did not make. */
export function parseCursor(text: string): Cursor {
  const match = /^(\d+-\d+)\/(\d+)\/(\d+)\/(\d+)$/.exec(text);
  if (match === null) {
    throw new FleetError("INPUT_INVALID", `Expected a cursor such as 1700000000000-0/1/1/42; got ${JSON.stringify(text.slice(0, 80))}.`, {
      at: "after",
      remedy: "pass the `cursor` of an event you received, or leave it out to start from the beginning",
    });
  }
  const [, eventId = "0-0", turn, attempt, offset] = match;
  return { eventId, turn: Number(turn), attempt: Number(attempt), offset: Number(offset) };
}
