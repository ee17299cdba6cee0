/** A run, drawn for people: its record, its way, and what waits for a decision. */
import type { RunHandle, RunStatusReport } from "../producers/run-handle.ts";
import type { RunEvent } from "../protocol/events.ts";
import { type Approval, isFinal, type Pause, type RunInfo } from "../protocol/run.ts";
import type { RunStore } from "../protocol/run-store.ts";
import { describePause, drawWay, formatSpent } from "./event-lines.ts";
import { formatMs, oneLine, plural, printable, table } from "./io.ts";

export interface RunView {
  readonly run: RunStatusReport;
  readonly events: readonly RunEvent[];
  /** Only of a completed run. */
  readonly output?: unknown;
}

const EVENTS_PER_READ = 500;

export async function collectRun(run: RunHandle, store: RunStore): Promise<RunView> {
  const info = await run.status();
  const events: RunEvent[] = [];
  for (let afterId = "0-0"; ; ) {
    const stored = await store.events(run.id, afterId, EVENTS_PER_READ);
    events.push(...stored.map(({ event }) => event));
    afterId = stored.at(-1)?.id ?? afterId;
    if (stored.length < EVENTS_PER_READ) break;
  }
  return info.status === "completed" ? { run: info, events, output: await run.output() } : { run: info, events };
}

export function drawList(runs: readonly RunInfo[], nowMs: number): string[] {
  const rows = runs.map((run) => [
    run.runId,
    stateOf(run),
    oneLine(run.agent, 32),
    run.tenant,
    String(run.turns),
    String(run.usage.inputTokens + run.usage.outputTokens),
    formatMs(Math.max(0, nowMs - run.createdAtMs)),
  ]);
  return table([["RUN", "STATE", "AGENT", "TENANT", "TURNS", "TOKENS", "AGE"], ...rows]);
}

export function drawRun({ run, events, output }: RunView): string[] {
  const tookMs = (run.finishedAtMs ?? run.updatedAtMs) - run.createdAtMs;
  const lines = [
    `${run.runId}  ${stateOf(run)}  ${oneLine(run.entryAgent, 64)}${run.agent === run.entryAgent ? "" : ` → ${oneLine(run.agent, 64)}`}`,
    `tenant ${run.tenant} · queue ${run.queue}${run.idempotencyKey === undefined ? "" : ` · key ${oneLine(run.idempotencyKey, 64)}`}${
      run.conversation === undefined ? "" : ` · conversation ${run.conversation}`
    }${run.tags === undefined ? "" : ` · tags ${run.tags.join(", ")}`}`,
    [plural(run.hop + 1, "hop"), plural(run.attempts, "attempt"), plural(run.turns, "turn"), formatSpent(run.usage), formatMs(tookMs)].join(
      " · ",
    ),
    ...drawLine(run),
    "",
    ...drawWay(events),
  ];
  if (run.pause !== undefined) lines.push("", ...drawPause(run, run.pause));
  if (!isFinal(run.status) && !run.liveWorker)
    lines.push("", `No live worker has agent ${oneLine(run.agent, 64)}: the run waits until one comes.`);
  lines.push(...drawOpen(run));
  if (run.error !== undefined) lines.push(...drawError(run.error));
  if (output !== undefined) lines.push("", typeof output === "string" ? printable(output) : JSON.stringify(output, null, 2));
  return lines;
}

function drawError({ code, message, answer, guardrail }: NonNullable<RunInfo["error"]>): string[] {
  const lines = ["", `${code} ${printable(message)}`];
  if (guardrail?.info !== undefined) lines.push(`  found ${printable(JSON.stringify(guardrail.info))}`);
  if (answer !== undefined) lines.push(`  answer ${oneLine(answer, 500)}`);
  return lines;
}

function drawPause({ runId, agent, tenant, status }: RunInfo, pause: Pause): string[] {
  const what = { run: `runs resume ${runId}`, agent: `resume --agent ${JSON.stringify(agent)}`, tenant: `resume --tenant ${tenant}` };
  const words = status === "paused" ? describePause(pause) : `will be ${describePause(pause)}`;
  return [`${words} (${new Date(pause.atMs).toISOString()})`, `  flotilla ${what[pause.scope]}`];
}

/** Where the run comes from, and what was made out of it. */
function drawLine({ origin, tools, model, continuedAs, children = [] }: RunInfo): string[] {
  const how = [...(tools === undefined ? [] : [`tools ${tools}`]), ...(model === undefined ? [] : [`model ${oneLine(model, 64)}`])].join(
    ", ",
  );
  return [
    ...(origin === undefined ? [] : [`a ${origin.kind} of ${origin.runId} from turn ${origin.turn} on${how === "" ? "" : ` (${how})`}`]),
    ...(continuedAs === undefined ? [] : [`carried on by ${continuedAs}`]),
    ...children.filter(({ runId }) => runId !== continuedAs).map(({ kind, runId }) => `its ${kind} is ${runId}`),
  ];
}

function drawOpen(run: RunInfo): string[] {
  const approvals = run.approvals.flatMap((call) => [
    `waits for a person: ${call.tool}(${oneLine(call.arguments, 200)})${drawDeadline(call)}`,
    `  flotilla approvals approve ${run.runId} ${call.callId}`,
    `  flotilla approvals reject ${run.runId} ${call.callId}`,
  ]);
  // While an attempt runs, an open intent is only a tool at work.
  const unknown =
    run.suspension !== "effect-unknown"
      ? []
      : run.openIntents.flatMap((call) => [
          `nobody knows whether this ran: ${call.tool}(${oneLine(call.arguments, 200)})`,
          `  flotilla runs resolve ${run.runId} ${call.callId} --ran <result> | --not-run | --fail`,
        ]);
  const diverged =
    run.suspension !== "replay-diverged"
      ? []
      : ["the code changed under the run", `  flotilla runs resolve ${run.runId} --resample | --fail`];
  const loops =
    run.suspension !== "loop" ? [] : ["the run goes round in circles", `  flotilla runs resolve ${run.runId} --continue | --fail`];
  const behind =
    run.suspension !== "conversation" || run.conversation === undefined
      ? []
      : ["waits for its turn behind earlier runs", `  flotilla conversations show ${run.conversation} --tenant ${run.tenant}`];
  const lines = [...approvals, ...unknown, ...diverged, ...loops, ...behind];
  return lines.length === 0 ? [] : ["", ...lines];
}

const drawDeadline = ({ deadlineAtMs, onTimeout }: Approval): string =>
  deadlineAtMs === undefined
    ? ""
    : `, until ${new Date(deadlineAtMs).toISOString()}; then ${onTimeout === "fail" ? "the run fails" : "it is rejected"}`;

function stateOf({ status, suspension, pause, continuedAs }: RunInfo): string {
  if (continuedAs !== undefined) return `${status} (retried)`;
  if (status === "paused" && pause !== undefined && pause.scope !== "run") return `${status} (${pause.scope})`;
  return suspension === undefined ? status : `${status} (${suspension})`;
}
