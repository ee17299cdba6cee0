/** A run's events as lines for people. Control characters never reach the terminal. */
import type { FollowedEvent, RunEvent } from "../protocol/events.ts";
import { isFinalEvent, spentOn } from "../protocol/events.ts";
import { addUsage, NO_USAGE, type Pause, type Usage } from "../protocol/run.ts";
import { formatCount, formatMs, oneLine, plural } from "./io.ts";

const PREVIEW_CHARS = 80;

export const formatUsage = (usage: Usage): string => {
  const { inputTokens, outputTokens, cachedInputTokens } = usage;
  const cached = cachedInputTokens > 0 ? ` (${formatCount(cachedInputTokens)} cached)` : "";
  return `${formatCount(inputTokens)} in${cached} / ${formatCount(outputTokens)} out tokens${formatCost(usage)}`;
};

/** A cost that is only partly known says so; one that is not known at all is not shown. */
const formatCost = ({ requests, pricedRequests = 0, costMicroUsd = 0 }: Usage): string => {
  if (pricedRequests === 0) return "";
  const usd = `, ${formatMicroUsd(costMicroUsd)}`;
  return pricedRequests < requests ? `${usd} + ${plural(requests - pricedRequests, "call")} of unknown cost` : usd;
};

export const formatMicroUsd = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(microUsd < 10_000 ? 6 : 4)}`;

/** Of a hop or a run: that nothing is known of its cost is said, too. */
export const formatSpent = (usage: Usage): string =>
  usage.requests > 0 && (usage.pricedRequests ?? 0) === 0
    ? `${formatUsage(usage)}, cost of ${plural(usage.requests, "call")} unknown`
    : formatUsage(usage);

/** Of several calls; what is not known is said. */
export function formatSpending({
  costMicroUsd,
  unknownCostCalls,
}: {
  readonly costMicroUsd?: number;
  readonly unknownCostCalls: number;
}): string {
  if (costMicroUsd === undefined) return unknownCostCalls === 0 ? "-" : `unknown (${plural(unknownCostCalls, "call")})`;
  const known = formatMicroUsd(costMicroUsd);
  return unknownCostCalls === 0 ? known : `${known} + ${plural(unknownCostCalls, "call")} of unknown cost`;
}

/** What happened, in words; undefined for what is only bookkeeping, such as live text. */
export function describeEvent(event: RunEvent | FollowedEvent): string | undefined {
  switch (event.type) {
    case "text.delta":
      return undefined;
    case "turn.restarted":
      return `turn ${event.turn} is sampled anew by attempt ${event.attempt}`;
    case "run.queued":
      return `queued for ${event.agent} in queue ${event.queue}${event.origin === undefined ? "" : `, a ${event.origin.kind} of ${event.origin.runId} from turn ${event.origin.turn}`}`;
    case "attempt.started":
      return `attempt ${event.attempt} on ${event.worker}${event.version === undefined ? "" : `, version ${oneLine(event.version, 40)}`}`;
    case "turn.completed":
      return `turn ${event.turn}  ${event.model}  ${formatUsage(spentOn(event))}  ${formatMs(event.durationMs)}${describeCalls(event.toolCalls)}`;
    case "model.called":
      return `model call for ${event.scope}  ${event.model}  ${formatUsage(spentOn(event))}  ${formatMs(event.durationMs)}`;
    case "tool.started":
      return `tool ${event.tool} begins (${event.callId})`;
    case "tool.completed":
      return `tool ${event.tool} ${event.recorded === true ? "answered from its source" : event.ok ? "ok" : "FAILED"}  ${formatMs(event.durationMs)}  ${oneLine(event.preview, PREVIEW_CHARS)}`;
    case "tool.denied":
      return `tool ${event.tool} not run: ${event.because === "deny" ? "tools are switched off" : "its source made no such call"}`;
    case "run.handed-off":
      return `handed off to ${event.to}`;
    default:
      return describeState(event);
  }
}

type StateEvent = Exclude<
  RunEvent,
  {
    type:
      | "run.queued"
      | "attempt.started"
      | "turn.completed"
      | "model.called"
      | "tool.started"
      | "tool.completed"
      | "tool.denied"
      | "run.handed-off";
  }
>;

function describeState(event: StateEvent): string {
  switch (event.type) {
    case "run.suspended": {
      const waits = (event.approvals ?? []).map(({ tool, callId }) => `${tool} (${callId})`).join(", ");
      return `suspended: ${event.suspension}${waits === "" ? "" : `, waits for ${waits}`}${describeError(event.error)}`;
    }
    case "loop.detected":
      return `goes round in circles: ${event.loop.cycle.map((name) => oneLine(name, 40)).join(" → ")}, more than ${event.loop.rounds} times in a row`;
    case "approval.decided":
      return describeDecision(event);
    case "approval.refused":
      return `the decision on ${event.tool} (${event.callId})${byWhom(event.by)} does not count: ${oneLine(event.why, 200)}`;
    case "run.resumed":
      return `resumed: ${oneLine(event.because, PREVIEW_CHARS)}`;
    case "run.retrying":
      return `will be tried again${describeError(event.error)}`;
    case "attempt.released":
      return "released by its worker";
    case "attempt.lost":
      return `the worker died (${event.deaths} in a row); the run goes on elsewhere`;
    case "cancel.requested":
      return "cancel requested";
    case "pause.requested":
      return `to be ${describePause(event.pause)}`;
    case "run.paused":
      return describePause(event.pause);
    case "run.completed":
      return "completed";
    case "run.failed":
    case "run.blocked":
    case "run.refused":
      return `${event.type.slice("run.".length)}${describeError(event.error)}`;
    default:
      return event.type.slice("run.".length);
  }
}

export const describePause = ({ scope, by, reason }: Pause): string =>
  `paused${scope === "run" ? "" : ` with its ${scope}`} by ${oneLine(by, 64)}${reason === undefined ? "" : `: ${oneLine(reason, 200)}`}`;

function describeDecision(event: Extract<RunEvent, { type: "approval.decided" }>): string {
  const call = `${event.tool} (${event.callId})`;
  if (event.timedOut === true) return `nobody decided on ${call} in time`;
  const what = `${event.approve ? "approved" : "rejected"}${event.always === true ? " from now on" : ""}`;
  const edited = event.arguments === undefined ? "" : `, with ${oneLine(event.arguments, PREVIEW_CHARS)}`;
  const reason = event.reason === undefined ? "" : `: ${oneLine(event.reason, 200)}`;
  return `${call} ${what}${byWhom(event.by)}${event.standing === undefined ? "" : ", as decided before"}${edited}${reason}`;
}

const byWhom = (by: string | undefined): string => (by === undefined ? "" : ` by ${oneLine(by, 64)}`);

const describeError = (error: { readonly code: string; readonly message: string } | undefined): string =>
  error === undefined ? "" : `: ${error.code} ${oneLine(error.message, 200)}`;

const describeCalls = (calls: readonly { readonly tool: string; readonly arguments: string }[]): string =>
  calls.length === 0 ? "" : `  → ${calls.map((call) => `${call.tool}(${oneLine(call.arguments, PREVIEW_CHARS)})`).join(", ")}`;

/** The way of a run: one block for each hop, one line for each event, times from the run's start. */
export function drawWay(events: readonly RunEvent[]): string[] {
  const lines: string[] = [];
  const startMs = events[0]?.atMs ?? 0;
  let hop: number | undefined;
  for (const [index, event] of events.entries()) {
    const text = describeEvent(event);
    // A tool's start says nothing new once its end is there.
    if (text === undefined || (event.type === "tool.started" && isToolDone(events, index, event.callId))) continue;
    if (event.hop !== hop && !isFinalEvent(event)) {
      hop = event.hop;
      lines.push(`● ${oneLine(event.agent, 128)}  hop ${hop}${spentIn(events, hop)}`);
    }
    lines.push(`│ ${`+${formatMs(event.atMs - startMs)}`.padStart(12)}  ${text}`);
  }
  return lines;
}

function spentIn(events: readonly RunEvent[], hop: number): string {
  const calls = events.filter((event) => event.type === "turn.completed" || event.type === "model.called");
  const spent = calls.filter((event) => event.hop === hop).reduce((sum, event) => addUsage(sum, spentOn(event)), NO_USAGE);
  return spent.requests === 0 ? "" : `  ${formatSpent(spent)}`;
}

const isToolDone = (events: readonly RunEvent[], from: number, callId: string): boolean =>
  events.slice(from + 1).some((event) => event.type === "tool.completed" && event.callId === callId);
