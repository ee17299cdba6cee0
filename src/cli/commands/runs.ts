/** `flotilla runs …`: look at runs, stop them, settle what they wait for, carry them on, delete them. */
import { type Command, Option } from "commander";
import type { RunHandle } from "../../producers/run-handle.ts";
import { FINAL_STATUSES, LIVE_STATUSES, type RunStatus } from "../../protocol/run.ts";
import type { RunStore } from "../../protocol/run-store.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { checkRunId, type JsonFlag, RUN_TENANT, type RunFlags, withRun } from "../one-run.ts";
import { wholeNumber } from "../options.ts";
import { collectRun, drawList, drawRun } from "../run-view.ts";
import { tailRun } from "../tail.ts";
import { addRunPauses } from "./pause.ts";
import { addAgain } from "./runs-again.ts";
import { addCancel } from "./runs-cancel.ts";
import { addDelete } from "./runs-delete.ts";
import { addResolve } from "./runs-resolve.ts";

interface ListFlags extends JsonFlag {
  readonly status?: RunStatus;
  readonly tenant?: string;
  readonly limit: number;
  readonly before?: string;
}
type Exit = (code: number) => void;

export function addRuns(program: Command, context: CliContext, exit: Exit): void {
  const runs = program.command("runs").description("look at runs, stop them, settle what they wait for, carry them on, delete them");
  addLooking(runs, context, exit);
  addCancel(runs, context, exit);
  addRunPauses(runs, context);
  addResolve(runs, context, exit);
  addAgain(runs, context, exit);
  addDelete(runs, context, exit);
}

function addLooking(runs: Command, context: CliContext, exit: Exit): void {
  runs
    .command("ls")
    .description("list runs, newest first")
    .addOption(new Option("--status <status>", "only runs in this state").choices([...LIVE_STATUSES, ...FINAL_STATUSES]))
    .option("--tenant <tenant>", "only runs of this tenant")
    .option("--limit <n>", "at most this many", wholeNumber("--limit", 1, 1_000), 20)
    .option("--before <run>", "only runs created before this one")
    .option("--json", "print one JSON object per line")
    .action((flags: ListFlags) => list(context, flags));
  runs
    .command("show")
    .description("show one run and its way through agents, turns and tools")
    .argument("<run>")
    .option(...RUN_TENANT)
    .option("--json", "print JSON")
    .action((id: string, flags: RunFlags) => withRun(context, id, flags, (run, { store }) => show(context, run, store, flags)));
  runs
    .command("tail")
    .description("follow one run: text to stdout, events to stderr; Ctrl-C detaches")
    .argument("<run>")
    .option("--after <cursor>", "continue behind this event")
    .option(...RUN_TENANT)
    .option("--json", "print one JSON object per event")
    .action((id: string, flags: RunFlags & { readonly after?: string }) =>
      withRun(context, id, flags, async (run) =>
        exit((await tailRun(context, run, { after: flags.after, json: flags.json === true, textTo: "data" })).exitCode),
      ),
    );
}

async function list(context: CliContext, { status, tenant, limit, before, json }: ListFlags): Promise<void> {
  if (before !== undefined) checkRunId(before, "--before");
  await withProducer(context, async (producer) => {
    const found = await producer.list({ limit, status, tenant, before });
    if (json === true) for (const info of found) context.io.out(JSON.stringify(info));
    else if (found.length === 0) context.io.say("No runs. Submit one with: flotilla submit <agent> <input>");
    else for (const line of drawList(found, context.clock.nowMs())) context.io.out(line);
  });
}

async function show(context: CliContext, run: RunHandle, store: RunStore, { json }: JsonFlag): Promise<void> {
  const view = await collectRun(run, store);
  if (json === true) context.io.out(JSON.stringify(view));
  else for (const line of drawRun(view)) context.io.out(line);
}
