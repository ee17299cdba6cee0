/** A person's one word on many runs that wait for the same thing, such as after a deploy that changed what they ask. */
import { z } from "zod";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import { agentNameSchema, tenantSchema } from "../protocol/ids.ts";
import type { PlainResolution } from "../protocol/people.ts";
import type { Retention } from "../protocol/retention.ts";
import { type SettleDeps, settleReply } from "./decide.ts";
import { runPages } from "./run-pages.ts";

/** What may be said of all of them at once. What became of a single call is for a person who looks at that call. */
const WORDS = {
  "replay-diverged": ["resample", "fail"],
  loop: ["continue", "fail"],
  "effect-unknown": ["fail"],
} as const;

export const RESOLVABLE = ["replay-diverged", "loop", "effect-unknown"] as const;

const filterSchema = z.strictObject({
  /** What they wait for. */
  suspension: z.enum(RESOLVABLE),
  /** The agent that has the run now. */
  agent: agentNameSchema.optional(),
  tenant: tenantSchema.optional(),
});
/** Which runs: all that are given must hold. */
export type ResolveFilter = Readonly<z.input<typeof filterSchema>>;

export type ManyResolution = Extract<PlainResolution, { readonly type: "resample" | "continue" | "fail" }>;

export interface ResolvedMany {
  readonly resolved: number;
  /** Somebody else's word came first, or they ended, in this moment. */
  readonly notOpen: number;
}

/**
 * Walks the suspended runs, newest first. May be called again: what is resolved already is left alone. A run that is suspended again
 * meanwhile is not met twice.
 */
export async function resolveMany(
  deps: SettleDeps & { readonly retentionMs: Retention },
  filter: ResolveFilter,
  resolution: ManyResolution,
): Promise<ResolvedMany> {
  checkWord(filter, resolution);
  const sum = { resolved: 0, notOpen: 0 };
  for await (const page of pagesOf(deps, filter)) {
    const settled = await Promise.all(page.map((runId) => resolveOne(deps, runId, resolution)));
    for (const isResolved of settled) sum[isResolved ? "resolved" : "notOpen"] += 1;
  }
  return sum;
}

/** How many runs `resolveMany` would find now. */
export async function countResolvable(deps: SettleDeps, filter: ResolveFilter, resolution: ManyResolution): Promise<number> {
  checkWord(filter, resolution);
  let count = 0;
  for await (const page of pagesOf(deps, filter)) count += page.length;
  return count;
}

/** The index knows tenants and states; agent and suspension are read from the records. */
async function* pagesOf({ store }: SettleDeps, { suspension, agent, tenant }: ResolveFilter): AsyncGenerator<string[], void> {
  for await (const page of runPages(store, { status: "suspended", tenant })) {
    yield page.filter((run) => run.suspension === suspension && (agent === undefined || run.agent === agent)).map(({ runId }) => runId);
  }
}

const CLOSED: readonly string[] = ["DECISION_NOT_OPEN", "RUN_UNKNOWN", "RUN_EXPIRED"];

/** False for a run that waits no more. */
async function resolveOne(
  deps: SettleDeps & { readonly retentionMs: Retention },
  runId: string,
  resolution: ManyResolution,
): Promise<boolean> {
  try {
    await settleReply(deps, runId, deps.store.resolve(runId, undefined, resolution, deps.retentionMs));
    return true;
  } catch (error) {
    if (isFleetError(error) && CLOSED.includes(error.code)) return false;
    throw error;
  }
}

/** @throws FleetError INPUT_INVALID */
export function parseResolveFilter(filter: ResolveFilter): ResolveFilter {
  const parsed = filterSchema.safeParse(filter);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".") || "filter";
  throw new FleetError("INPUT_INVALID", `Expected a valid ${at}: ${issue?.message ?? "not valid"}.`, {
    at,
    remedy: `give suspension (${RESOLVABLE.join(", ")}), and agent or tenant; a single run is resolved by its id`,
  });
}

function checkWord({ suspension }: ResolveFilter, { type }: ManyResolution): void {
  const words: readonly string[] = WORDS[suspension];
  if (words.includes(type)) return;
  throw new FleetError(
    "INPUT_INVALID",
    `Expected ${words.join(" or ")} for runs that wait as ${suspension}; got ${JSON.stringify(type)}.`,
    {
      at: "resolution",
      remedy: "resolve a single run, or a call of it, by its id",
    },
  );
}
