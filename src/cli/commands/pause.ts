/** `flotilla pause` and `resume` for agents and tenants, and `flotilla runs pause` and `resume` for one run. */
import type { Command } from "commander";
import type { Producer } from "../../producer.ts";
import { FleetError } from "../../protocol/errors.ts";
import type { PauseNote, PauseScope } from "../../protocol/pause.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { describePause } from "../event-lines.ts";
import { formatMs, oneLine, plural } from "../io.ts";
import { type JsonFlag, print, RUN_TENANT, type RunFlags, withRun } from "../one-run.ts";

interface NoteFlags extends RunFlags {
  readonly by?: string;
  readonly reason?: string;
}
interface ScopeFlags {
  readonly agent?: string;
  readonly tenant?: string;
}

const NOTE = [
  ["--by <name>", "who pauses; default: USER"],
  ["--reason <text>", "why, for whoever finds it paused"],
] as const;

export function addRunPauses(runs: Command, context: CliContext): void {
  const pause = runs.command("pause").description("hold a run back; what is running finishes its present step").argument("<run>");
  for (const [flag, text] of NOTE) pause.option(flag, text);
  pause
    .option(...RUN_TENANT)
    .option("--json", "print JSON")
    .action((id: string, flags: NoteFlags) =>
      withRun(context, id, flags, async (run) => print(context, flags, await run.pause(noteOf(context, flags)), run.id)),
    );
  runs
    .command("resume")
    .description("let a paused run go on")
    .argument("<run>")
    .option(...RUN_TENANT)
    .option("--json", "print JSON")
    .action((id: string, flags: RunFlags) => withRun(context, id, flags, async (run) => print(context, flags, await run.resume(), run.id)));
}

export function addPause(program: Command, context: CliContext): void {
  const pause = program
    .command("pause")
    .description("hold back all runs of an agent or a tenant; without either, list what is paused")
    .option("--agent <agent>", "all runs that this agent has")
    .option("--tenant <tenant>", "all runs of this tenant");
  for (const [flag, text] of NOTE) pause.option(flag, text);
  pause
    .option("--json", "print JSON")
    .action((flags: NoteFlags & ScopeFlags) =>
      (flags.agent ?? flags.tenant) === undefined ? list(context, flags) : pauseScope(context, flags),
    );
}

export function addResume(program: Command, context: CliContext): void {
  program
    .command("resume")
    .description("let all runs of an agent or a tenant go on")
    .option("--agent <agent>", "all runs that this agent has")
    .option("--tenant <tenant>", "all runs of this tenant")
    .option("--json", "print JSON")
    .action(async (flags: ScopeFlags & JsonFlag) => {
      const scope = scopeOf(flags, "resume");
      const { status, runs } = await withProducer(context, (producer) => producer.resume(scope));
      const words = status === "resumed" ? `resumed, ${plural(runs, "run")} queued again` : "was not paused";
      context.io.out(flags.json === true ? JSON.stringify({ ...scope, status, runs }) : `${nameOf(scope)} ${words}`);
    });
}

async function pauseScope(context: CliContext, flags: NoteFlags & ScopeFlags): Promise<void> {
  const scope = scopeOf(flags, "pause");
  const reply = await withProducer(context, async (producer) => {
    if ("agent" in scope) await warnOfStranger(context, producer, scope.agent);
    return producer.pause(scope, noteOf(context, flags));
  });
  const words = reply.status === "paused" ? "paused" : `was already ${describePause(reply.pause)}`;
  context.io.out(flags.json === true ? JSON.stringify({ ...scope, ...reply }) : `${nameOf(scope)} ${words}`);
}

/** A name that was mistyped holds nothing back, and nobody would notice. */
async function warnOfStranger({ io }: CliContext, { store }: Producer, agent: string): Promise<void> {
  const known = (await store.agents()).map(({ name }) => name);
  if (known.includes(agent)) return;
  io.say(
    `No worker ever announced agent ${oneLine(agent, 64)}; known are: ${known.length === 0 ? "none" : oneLine(known.join(", "), 400)}.`,
  );
}

async function list(context: CliContext, { json }: JsonFlag): Promise<void> {
  const pauses = await withProducer(context, (producer) => producer.pauses());
  if (pauses.length === 0 && json !== true) context.io.say("No agent and no tenant is paused.");
  for (const { scope, pause } of pauses) {
    const forMs = formatMs(Math.max(0, context.clock.nowMs() - pause.atMs));
    const why = pause.reason === undefined ? "" : `: ${oneLine(pause.reason, 200)}`;
    context.io.out(
      json === true ? JSON.stringify({ ...scope, pause }) : `${nameOf(scope)} paused for ${forMs} by ${oneLine(pause.by, 64)}${why}`,
    );
  }
}

/** @throws FleetError USAGE */
function scopeOf({ agent, tenant }: ScopeFlags, at: string): PauseScope {
  if (agent !== undefined && tenant === undefined) return { agent };
  if (tenant !== undefined && agent === undefined) return { tenant };
  throw new FleetError("USAGE", "Expected exactly one of --agent and --tenant.", { at, remedy: `\`flotilla ${at} --help\`` });
}

const nameOf = (scope: PauseScope): string => ("agent" in scope ? `agent ${oneLine(scope.agent, 64)}` : `tenant ${scope.tenant}`);

const noteOf = ({ env }: CliContext, { by, reason }: NoteFlags): PauseNote => ({
  by: by ?? (env["USER"] || "somebody at a command line"),
  ...(reason === undefined ? {} : { reason }),
});
