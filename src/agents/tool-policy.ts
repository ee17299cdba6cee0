/**
 * What to do with a tool call when its worker died in the middle of it (I5), and whether it may be repeated. Declared on the tool, read by the
 * ledger and by the detection of loops.
 */
import type { FunctionTool } from "@openai/agents";
import { FleetError } from "../protocol/errors.ts";
import type { Json } from "../protocol/json.ts";

/** What a `reconcile` function found out about a call whose result was lost. `undefined`: it could not tell either. */
export type Reconciled = { readonly ran: Json } | { readonly notRun: true } | undefined;

export interface LostCall {
  readonly runId: string;
  readonly callId: string;
  readonly tenant: string;
  /** The arguments as the model gave them: JSON text. */
  readonly arguments: string;
  /** `runId/callId`, the same in every attempt. */
  readonly idempotencyKey: string;
}

export interface ToolPolicy {
  /**
   * `idempotent`: the call runs again, under the same idempotency key. For tools that only read, or whose receiver drops repeats.
   * `ask` (default): the run is suspended as `effect-unknown` until a person says what happened (`flotilla runs resolve`).
   * `{ reconcile }`: the function looks the effect up; where it cannot tell, as `ask`.
   */
  readonly onCrash?: "idempotent" | "ask" | { readonly reconcile: (call: LostCall) => Reconciled | Promise<Reconciled> };
  /** `allowed`: calls with the same arguments again and again are what the tool is for, such as asking whether something is ready. */
  readonly repeats?: "allowed";
  /** For a tool with `needsApproval`: what follows when nobody decides. Default `{ onTimeout: "wait" }`. */
  readonly approval?: ApprovalDeadline | { readonly onTimeout: "wait" };
}

/**
 * How long a person has, in milliseconds from when the question was stored, and what follows. `reject`: the model is told that nobody decided, and
 * goes on. `fail`: the run ends with APPROVAL_TIMED_OUT. (`wait`: the call waits as long as its run lives.)
 */
export interface ApprovalDeadline {
  readonly withinMs: number;
  readonly onTimeout: "reject" | "fail";
}

/** A registered symbol, so that the tag is seen across two copies of this package, and survives the SDK's own copies of a tool. */
const POLICY = Symbol.for("flotilla.toolPolicy");

/** A copy of `tool` that carries the policy, beside what it carried before; the given tool stays untouched. @throws FleetError AGENT_INVALID */
export function toolPolicy<T extends { readonly type: "function"; readonly [POLICY]?: ToolPolicy }>(tool: T, policy: ToolPolicy): T {
  if (policy.approval !== undefined && policy.approval.onTimeout !== "wait") checkDeadline(policy.approval);
  return { ...tool, [POLICY]: { ...tool[POLICY], ...policy } };
}

function checkDeadline({ withinMs, onTimeout }: ApprovalDeadline): void {
  const remedy = 'pass approval: { onTimeout: "wait" } for a call that may wait as long as its run lives';
  if (!Number.isSafeInteger(withinMs) || withinMs < 1) {
    throw new FleetError("AGENT_INVALID", `Expected approval.withinMs to be whole milliseconds above 0; got ${withinMs}.`, {
      at: "toolPolicy",
      remedy,
    });
  }
  if (onTimeout !== "reject" && onTimeout !== "fail") {
    throw new FleetError(
      "AGENT_INVALID",
      `Expected approval.onTimeout to be "wait", "reject" or "fail"; got ${JSON.stringify(onTimeout)}.`,
      {
        at: "toolPolicy",
        remedy,
      },
    );
  }
}

export function policyOf(tool: FunctionTool): ToolPolicy {
  // The symbol is ours alone: only `toolPolicy` writes it, with this type.
  const tagged = tool as FunctionTool & { readonly [POLICY]?: ToolPolicy };
  return tagged[POLICY] ?? {};
}

/** By when a call of the tool has to be decided; undefined: it waits. */
export function approvalDeadlineOf(tool: FunctionTool): ApprovalDeadline | undefined {
  const { approval } = policyOf(tool);
  return approval?.onTimeout === "wait" ? undefined : approval;
}
