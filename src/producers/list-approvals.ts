/** Everything that waits for a person's decision, from the index of such runs. */
import { LIMITS } from "../protocol/limits.ts";
import { type ApprovalRequest, requestsOf } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { reach } from "./backend.ts";

export interface ApprovalQuery {
  readonly tenant?: string | undefined;
  /** The agent that made the call; a nested agent counts by its own name. */
  readonly agent?: string | undefined;
  /** Only runs created before this run id. */
  readonly before?: string | undefined;
  /** Default 50. The calls of one run stay together, so that a page may hold a few more. */
  readonly limit?: number | undefined;
}

export interface ApprovalPage {
  /** Runs newest first, the calls of each in their order. */
  readonly approvals: readonly ApprovalRequest[];
  /** Give it as `before` for the next page; undefined when there is no more. */
  readonly before: string | undefined;
}

const DEFAULT_LIMIT = 50;
/** Runs read from the store at once, and for one page at most. */
const READ_AT_ONCE = 100;
const READ_AT_MOST = 1_000;

export async function listApprovals(
  store: RunStore,
  { tenant, agent, before, limit = DEFAULT_LIMIT }: ApprovalQuery,
): Promise<ApprovalPage> {
  const wanted = Math.min(Math.max(1, limit), LIMITS.listedAtOnce);
  const found: ApprovalRequest[] = [];
  let last = before;
  for (let read = 0; read < READ_AT_MOST; ) {
    const runs = await reach(store.list({ suspension: "approval", tenant, before: last, limit: READ_AT_ONCE }));
    for (const info of runs) {
      found.push(...requestsOf(info).filter((request) => agent === undefined || request.agent === agent));
      last = info.runId;
      if (found.length >= wanted) return { approvals: found, before: last };
    }
    read += runs.length;
    if (runs.length < READ_AT_ONCE) return { approvals: found, before: undefined };
  }
  return { approvals: found, before: last };
}
