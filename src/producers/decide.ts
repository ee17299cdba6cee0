/** People's decisions on tool calls that wait, as a producer takes them: checked, written once, and refused in words. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { tenantSchema } from "../protocol/ids.ts";
import { encodeJson } from "../protocol/json.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { ResolveReply } from "../protocol/people.ts";
import { type Decision, decisionSchema, type RunInfo } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { WakeQueue } from "../protocol/wake-queue.ts";
import { reach } from "./backend.ts";
import { requireRun } from "./follow.ts";

export interface RejectOptions {
  /** Who decides, for the record and for the fleet's `approvers`. */
  readonly by?: string | undefined;
  /** Why, for the record; the model is told the reason of a rejection. */
  readonly reason?: string | undefined;
  /** Decides every later call of this tool in this run as well, whichever agent makes it. */
  readonly always?: boolean | undefined;
  /** On whose behalf it is decided: a run of another tenant is answered as unknown. */
  readonly tenant?: string | undefined;
}

export interface ApproveOptions extends RejectOptions {
  /** The arguments the tool runs with, whole, in place of the model's. */
  readonly arguments?: Readonly<Record<string, unknown>> | undefined;
}

export interface SettleDeps {
  readonly store: RunStore;
  readonly queue: WakeQueue;
}

export interface DecideDeps extends SettleDeps {
  /** Whose runs are decided on where the decision names no tenant. Default: anybody's. */
  readonly tenant?: string | undefined;
}

/** @throws FleetError INPUT_INVALID, INPUT_TOO_LARGE, DECISION_NOT_OPEN, RUN_UNKNOWN, RUN_EXPIRED */
export async function decideCall(
  deps: DecideDeps,
  runId: string,
  callId: string,
  approve: boolean,
  options: ApproveOptions,
): Promise<void> {
  const decision = decisionOf(approve, options);
  const tenant = tenantOf(options) ?? deps.tenant;
  if (decision.arguments !== undefined) await checkEdit(deps.store, runId, callId, decision.arguments, tenant);
  const command = { id: randomUUID(), decision, ...(tenant === undefined ? {} : { tenant }) };
  await settleReply(deps, runId, deps.store.decide(runId, callId, command), { callId, tenant });
}

/** Offers the wake that a person's word made; says in an error why it could not be taken. */
export async function settleReply(
  { store, queue }: SettleDeps,
  runId: string,
  reply: Promise<ResolveReply>,
  about: { readonly callId?: string | undefined; readonly tenant?: string | undefined } = {},
): Promise<void> {
  const settled = await reach(reply);
  if (settled.status === "not-open") throw notOpen(settled.info, about.callId);
  if (settled.status === "unknown") {
    await requireRun(store, runId);
    throw new FleetError("RUN_UNKNOWN", `Tenant ${JSON.stringify(about.tenant)} has no run ${runId}.`, {
      at: runId,
      remedy: "decide as the tenant whose run it is",
    });
  }
  // What cannot be added now is offered again by the reconciler (I3).
  if (settled.next !== undefined) await queue.add([settled.next]).catch(() => undefined);
}

function decisionOf(approve: boolean, { by, reason, always, arguments: args }: ApproveOptions): Decision {
  const isObject = typeof args === "object" && args !== null && !Array.isArray(args);
  if (args !== undefined && !isObject)
    throw badArguments("Expected the edited arguments to be an object.", "pass every argument of the tool, by name");
  const edited = args === undefined ? {} : { arguments: encodeJson(args, { at: "arguments", maxBytes: LIMITS.approvalArgumentsChars }) };
  const kept = { ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }), ...(always === true ? { always } : {}) };
  const parsed = decisionSchema.safeParse({ approve, ...kept, ...edited });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FleetError("INPUT_INVALID", `The decision is not valid: ${issue?.message ?? "no reason given"}.`, {
    at: issue?.path.join(".") ?? "decision",
    remedy: `by has 1 to ${LIMITS.personChars} characters, reason at most ${LIMITS.reasonChars}`,
  });
}

/** An empty one is none that a run can have, and must not pass for "any". */
function tenantOf({ tenant }: ApproveOptions): string | undefined {
  if (tenant === undefined || tenantSchema.safeParse(tenant).success) return tenant;
  throw new FleetError("INPUT_INVALID", `Expected the id of a tenant; got ${JSON.stringify(tenant).slice(0, 80)}.`, {
    at: "tenant",
    remedy: "leave `tenant` out to decide on the run of any tenant",
  });
}

/** What the tool's JSON Schema says can be said here and now; the worker has the tool's own parser look again. Of another's run nothing is said. */
async function checkEdit(store: RunStore, runId: string, callId: string, argumentsJson: string, tenant: string | undefined): Promise<void> {
  const info = await reach(store.get(runId));
  const call = info?.approvals.find((approval) => approval.callId === callId);
  if (call?.parametersJson === undefined || (tenant !== undefined && info?.tenant !== tenant)) return;
  const schema = schemaOf(call.parametersJson);
  const checked = schema?.safeParse(JSON.parse(argumentsJson));
  const [issue] = checked?.error?.issues ?? [];
  if (issue === undefined) return;
  const place = issue.path.length === 0 ? "arguments" : `arguments.${issue.path.join(".")}`;
  throw badArguments(
    `The edited arguments are not those of tool ${call.tool}: ${issue.message}.`,
    "see `parametersJson` of the call in `flotilla approvals ls --json`",
    place,
  );
}

/** Undefined for a schema that uses more of JSON Schema than can be checked here. */
function schemaOf(parametersJson: string): z.ZodType | undefined {
  try {
    return z.fromJSONSchema(JSON.parse(parametersJson));
  } catch {
    return undefined;
  }
}

const badArguments = (message: string, remedy: string, at = "arguments"): FleetError =>
  new FleetError("INPUT_INVALID", message, { at, remedy });

function notOpen(info: RunInfo, callId: string | undefined): FleetError {
  return new FleetError("DECISION_NOT_OPEN", `${closedCall(info, callId)} ${openCalls(info)}`.trimStart(), {
    at: info.runId,
    remedy: `see what is open with \`flotilla runs show ${info.runId}\``,
  });
}

/** Who decided what and when, where the call was open once. */
function closedCall(info: RunInfo, callId: string | undefined): string {
  const decided = info.decisions.findLast((decision) => decision.callId === callId && decision.refused === undefined);
  if (decided?.timedOut === true) return `Nobody decided on call ${callId} by its deadline at ${isoTime(decided.atMs)}.`;
  if (decided !== undefined) {
    const what = decided.approve ? "approved" : "rejected";
    return `Call ${callId} was ${what} by ${decided.by ?? "somebody who gave no name"} at ${isoTime(decided.atMs)}.`;
  }
  const late = info.approvals.find((approval) => approval.callId === callId);
  return late?.deadlineAtMs === undefined ? "" : `The time to decide on call ${callId} ran out at ${isoTime(late.deadlineAtMs)}.`;
}

function openCalls({ runId, status, suspension, openIntents, approvals }: RunInfo): string {
  const open = [...openIntents, ...approvals].map(({ callId }) => callId);
  const waits = open.length === 0 ? "nothing waits for a decision" : `open are ${open.join(", ")}`;
  return `Run ${runId} is ${status}${suspension === undefined ? "" : ` (${suspension})`}; ${waits}.`;
}

const isoTime = (atMs: number): string => new Date(atMs).toISOString();
