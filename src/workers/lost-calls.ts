/** Tool calls whose worker died in the middle: the tools that can find out are asked what became of them. */
import { type Catalog, declaredPolicy } from "../agents/catalog.ts";
import type { LostCall, Reconciled } from "../agents/tool-policy.ts";
import type { Attempt } from "../protocol/attempt.ts";
import { idempotencyKeyOf } from "../protocol/journal.ts";
import type { WakeJob } from "../protocol/job.ts";
import type { Retention } from "../protocol/retention.ts";
import type { Intent } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { Log } from "../telemetry/log.ts";

interface LostCallDeps {
  readonly store: RunStore;
  readonly catalog: Catalog;
  readonly log: Log;
  readonly options: { readonly retentionMs: Retention };
}

/**
 * The run is suspended already, so that a crash in here leaves it where a person sees it; each answer goes the way a person's would.
 * Returns the wakes to offer.
 */
export async function reconcileLostCalls(deps: LostCallDeps, attempt: Attempt): Promise<WakeJob[]> {
  const entry = deps.catalog.get(attempt.agent);
  const wakes: WakeJob[] = [];
  for (const intent of attempt.openIntents) {
    const policy = entry === undefined ? "ask" : (declaredPolicy(entry, intent.tool)?.onCrash ?? "ask");
    if (typeof policy === "string") continue;
    const found = await askTool(deps, policy.reconcile, lostCall(attempt, intent), intent.tool);
    if (found === undefined) continue;
    const resolution = "ran" in found ? ({ type: "ran", resultJson: JSON.stringify(found.ran) } as const) : ({ type: "not-run" } as const);
    const reply = await deps.store.resolve(attempt.runId, intent.callId, resolution, deps.options.retentionMs);
    if (reply.status === "resolved" && reply.next !== undefined) wakes.push(reply.next);
  }
  return wakes;
}

async function askTool(
  { log }: LostCallDeps,
  reconcile: (call: LostCall) => Reconciled | Promise<Reconciled>,
  call: LostCall,
  tool: string,
): Promise<Reconciled> {
  try {
    return await reconcile(call);
  } catch (err) {
    log.warn({ event: "reconcile.errored", runId: call.runId, tool, err }, "a reconcile function failed; a person is asked");
    return undefined;
  }
}

const lostCall = ({ runId, tenant, root }: Attempt, { callId, arguments: args }: Intent): LostCall => ({
  runId,
  callId,
  tenant,
  arguments: args,
  idempotencyKey: idempotencyKeyOf(root, callId),
});
