/** Tells the fleet's owner that a person is asked: at least once for each question, whatever dies in between. */
import { type Clock, inTime } from "../clock.ts";
import { type ApprovalRequest, requestsOf } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { Log } from "../telemetry/log.ts";

export interface FleetHooks {
  /**
   * Called in a worker when a tool call waits for a person, after the run is suspended: send the message, open the ticket. At least once per
   * question; one that throws is called again, with growing pauses, until it succeeds or everything is decided. It never hurts the run.
   */
  readonly onApprovalRequested?: (request: ApprovalRequest) => void | Promise<void>;
}

export interface AnnounceDeps {
  readonly store: RunStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly hooks?: FleetHooks | undefined;
}

/** How long a worker waits for the hook before it goes on with other work; the hook itself may take longer. Milliseconds. */
const WAIT_FOR_HOOK_MS = 1_000;

/** The store has it tried again until it hears of the success, so that a worker may die anywhere in here. */
export async function announceApprovals(deps: AnnounceDeps, runId: string): Promise<void> {
  if (deps.hooks?.onApprovalRequested !== undefined) await inTime(deps.clock, announce(deps, runId), WAIT_FOR_HOOK_MS);
}

async function announce({ store, log, hooks }: AnnounceDeps, runId: string): Promise<void> {
  try {
    const info = await store.get(runId);
    if (info?.suspension !== "approval" || info.announceAtMs === undefined) return;
    for (const request of requestsOf(info)) await hooks?.onApprovalRequested?.(request);
    await store.announced(runId, info.wake);
  } catch (err) {
    log.warn({ event: "hook.errored", runId, hook: "onApprovalRequested", err }, "an approval could not be announced; it is tried again");
  }
}
