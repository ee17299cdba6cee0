/** What the events of one run tell of its agents. A hop whose code changed in its middle is told in two parts. */
import { type RunEvent, spentOn } from "../../protocol/events.ts";
import { addUsage, NO_USAGE, type FinalStatus, type TrippedGuardrail, type Usage } from "../../protocol/run.ts";
import { dayOf } from "../../protocol/totals.ts";

/** How an agent's part of a run ended. */
export type HopEnd = FinalStatus | "handed-off";

export interface ToolTime {
  readonly tool: string;
  readonly durationMs: number;
}

/** What one version of an agent did in one hop. */
export interface HopPart {
  readonly hop: number;
  readonly agent: string;
  /** Empty where no worker that holds the agent ever took the run. */
  readonly version: string;
  /** On which it began, in UTC. */
  readonly day: string;
  /** True for the part with which the hop began. */
  readonly isFirst: boolean;
  readonly turns: number;
  readonly usage: Usage;
  readonly modelTimesMs: readonly number[];
  readonly toolTimes: readonly ToolTime[];
  readonly retries: number;
  readonly lostAttempts: number;
  readonly end: HopEnd | undefined;
  /** The one that blocked the run. */
  readonly guardrail: Pick<TrippedGuardrail, "name" | "kind"> | undefined;
}

export interface RunFacts {
  readonly parts: readonly HopPart[];
  /** The agents that had the run, in their order. */
  readonly path: readonly string[];
  readonly end: FinalStatus | undefined;
}

type OpenPart = { -readonly [Name in keyof HopPart]: HopPart[Name] } & { modelTimesMs: number[]; toolTimes: ToolTime[] };

export function factsOf(events: readonly RunEvent[]): RunFacts {
  const parts: OpenPart[] = [];
  const path: string[] = [];
  for (const event of events) {
    if (event.type === "run.queued") path.push(event.agent);
    else if (event.type === "run.handed-off") path.push(event.to);
    if (tells(event)) note(partOf(parts, event), event);
  }
  return { parts, path, end: parts.map(({ end }) => end).find((end) => end !== undefined && end !== "handed-off") };
}

const ENDS = ["run.completed", "run.failed", "run.blocked", "run.refused", "run.cancelled", "run.expired"] as const;
const TELLING = [
  ...ENDS,
  "attempt.started",
  "turn.completed",
  "model.called",
  "tool.completed",
  "run.retrying",
  "attempt.lost",
  "run.handed-off",
] as const;
type Telling = Extract<RunEvent, { readonly type: (typeof TELLING)[number] }>;
const tells = (event: RunEvent): event is Telling => TELLING.some((type) => type === event.type);

/** A late fact of an attempt that lost its run belongs to its own hop, wherever the run is by now. */
function partOf(parts: OpenPart[], event: Telling): OpenPart {
  const known = parts.findLast(({ hop }) => hop === event.hop);
  const version = event.type === "attempt.started" ? event.version : undefined;
  if (known !== undefined && (version === undefined || version === known.version)) return known;
  // A worker without the agent took the run before.
  if (known?.version === "") return Object.assign(known, { version });
  const part: OpenPart = {
    hop: event.hop,
    agent: event.agent,
    version: version ?? "",
    day: dayOf(event.atMs),
    isFirst: known === undefined,
    turns: 0,
    usage: NO_USAGE,
    modelTimesMs: [],
    toolTimes: [],
    retries: 0,
    lostAttempts: 0,
    end: undefined,
    guardrail: undefined,
  };
  parts.push(part);
  return part;
}

function note(part: OpenPart, event: Telling): void {
  switch (event.type) {
    case "attempt.started":
      return;
    case "turn.completed":
    case "model.called":
      part.turns += event.type === "turn.completed" ? 1 : 0;
      part.usage = addUsage(part.usage, spentOn(event));
      part.modelTimesMs.push(event.durationMs);
      return;
    case "tool.completed":
      // What was answered from an earlier run took no time.
      if (event.recorded !== true) part.toolTimes.push({ tool: event.tool, durationMs: event.durationMs });
      return;
    case "run.retrying":
      part.retries += 1;
      return;
    case "attempt.lost":
      part.lostAttempts += 1;
      return;
    default:
      noteEnd(part, event);
  }
}

function noteEnd(part: OpenPart, event: Extract<Telling, { readonly type: (typeof ENDS)[number] | "run.handed-off" }>): void {
  // The name of a final event is `run.` and the state.
  part.end = event.type.slice("run.".length) as HopEnd;
  if (event.type === "run.blocked" && event.error.guardrail !== undefined) {
    const { name, kind } = event.error.guardrail;
    part.guardrail = { name, kind };
  }
}
