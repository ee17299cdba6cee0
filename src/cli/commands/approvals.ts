/** `flotilla approvals …`: what waits for a person, and a person's word on it. */
import type { Command } from "commander";
import type { ApprovalRequest } from "../../protocol/run.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { formatMs, oneLine, table } from "../io.ts";
import { checkRunId, type JsonFlag, print, RUN_TENANT, type RunFlags, withRun } from "../one-run.ts";
import { jsonObject, wholeNumber } from "../options.ts";

interface ListFlags extends JsonFlag {
  readonly tenant?: string;
  readonly agent?: string;
  readonly limit: number;
  readonly before?: string;
}
interface DecideFlags extends RunFlags {
  readonly by?: string;
  readonly reason?: string;
  readonly always?: true;
  readonly arguments?: string;
}

export function addApprovals(program: Command, context: CliContext): void {
  const approvals = program.command("approvals").description("list the tool calls that wait for a person, and decide them");
  approvals
    .command("ls")
    .description("list what waits, the newest runs first")
    .option("--tenant <tenant>", "only runs of this tenant")
    .option("--agent <agent>", "only calls of this agent")
    .option("--limit <n>", "about this many", wholeNumber("--limit", 1, 1_000), 20)
    .option("--before <run>", "only runs created before this one")
    .option("--json", "print one JSON object per line")
    .action((flags: ListFlags) => list(context, flags));
  const approve = decision(approvals, "approve", "let a tool call run that waits for a person");
  approve
    .option("--arguments <json>", "run it with these arguments, all of them, in place of the model's")
    .action((id: string, call: string, flags: DecideFlags) => decide(context, id, call, "approved", flags));
  decision(approvals, "reject", "refuse a tool call that waits for a person; the model is told the reason").action(
    (id: string, call: string, flags: DecideFlags) => decide(context, id, call, "rejected", flags),
  );
}

const decision = (approvals: Command, name: string, description: string): Command =>
  approvals
    .command(name)
    .description(description)
    .argument("<run>")
    .argument("<call>")
    .option("--by <name>", "who decides, for the record and the fleet's approvers; default: USER")
    .option("--reason <text>", "why")
    .option("--always", "decide every later call of this tool in this run as well")
    .option(...RUN_TENANT)
    .option("--json", "print JSON");

async function list(context: CliContext, { tenant, agent, limit, before, json }: ListFlags): Promise<void> {
  if (before !== undefined) checkRunId(before, "--before");
  await withProducer(context, async (producer) => {
    const page = await producer.approvals({ tenant, agent, limit, before });
    if (json === true) for (const request of page.approvals) context.io.out(JSON.stringify(request));
    else if (page.approvals.length === 0) context.io.say("Nothing waits for a decision.");
    else for (const line of drawRequests(page.approvals, context.clock.nowMs())) context.io.out(line);
    if (page.before !== undefined) context.io.say(`There may be more: --before ${page.before}`);
  });
}

function drawRequests(requests: readonly ApprovalRequest[], nowMs: number): string[] {
  const rows = requests.map(({ runId, callId, tenant, agent, tool, arguments: args, requestedAtMs = nowMs, deadlineAtMs }) => [
    runId,
    callId,
    tenant,
    oneLine(agent, 32),
    formatMs(Math.max(0, nowMs - requestedAtMs)),
    deadlineAtMs === undefined ? "-" : formatMs(Math.max(0, deadlineAtMs - nowMs)),
    oneLine(`${tool}(${args})`, 200),
  ]);
  return table([["RUN", "CALL", "TENANT", "AGENT", "WAITS", "LEFT", "WANTS"], ...rows]);
}

async function decide(context: CliContext, id: string, call: string, status: "approved" | "rejected", flags: DecideFlags): Promise<void> {
  const { by = context.env["USER"] || undefined, reason, always, tenant } = flags;
  const options = { by, reason, always, tenant };
  const edited = flags.arguments === undefined ? undefined : jsonObject("--arguments", flags.arguments);
  await withRun(context, id, flags, async (run) => {
    await (status === "approved" ? run.approve(call, { ...options, arguments: edited }) : run.reject(call, options));
    print(context, flags, { status }, run.id);
  });
}
