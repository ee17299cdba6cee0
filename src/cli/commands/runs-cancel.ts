/** `flotilla runs cancel`: one run, or all live runs of an agent, a tenant, in a state. */
import { type Command, Option } from "commander";
import type { CancelFilter } from "../../producers/cancel-many.ts";
import type { Producer } from "../../producer.ts";
import { FleetError } from "../../protocol/errors.ts";
import { LIVE_STATUSES } from "../../protocol/run.ts";
import { withProducer } from "../connect.ts";
import { asOptions, isConfirmed } from "../confirm.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { oneLine, plural } from "../io.ts";
import { print, withRun } from "../one-run.ts";

interface AnswerFlags {
  readonly yes: true | undefined;
  readonly json: true | undefined;
}
type CancelFlags = CancelFilter & Partial<AnswerFlags>;

export function addCancel(runs: Command, context: CliContext, exit: (code: number) => void): void {
  runs
    .command("cancel")
    .description("cancel a run, or all live runs that match; a running one is told and ends soon")
    .argument("[run]")
    .option("--agent <agent>", "all runs that this agent has now")
    .option("--tenant <tenant>", "all runs of this tenant; with a run: only if it is this tenant's")
    .addOption(new Option("--status <status>", "all runs in this state").choices(LIVE_STATUSES))
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    .action(async (id: string | undefined, { yes, json, ...filter }: CancelFlags) => {
      const isFiltered = Object.keys(filter).length > 0;
      if (id !== undefined && Object.keys(filter).every((name) => name === "tenant")) {
        return withRun(context, id, filter, async (run) => print(context, json === true ? { json } : {}, await run.cancel(), run.id));
      }
      if (id === undefined && isFiltered) return exit(await cancelMatching(context, filter, { yes, json }));
      throw new FleetError("USAGE", "Expected either a run, perhaps with --tenant, or at least one of --agent, --tenant, --status.", {
        at: "runs cancel",
        remedy: "`flotilla runs cancel --help`",
      });
    });
}

async function cancelMatching(context: CliContext, filter: CancelFilter, { yes, json }: AnswerFlags): Promise<number> {
  return withProducer(context, async (producer) => {
    const count = await preview(context, producer, filter);
    const isMeant = count === 0 || (await isConfirmed(context, "Cancel?", yes, `flotilla runs cancel${asOptions(filter)}`));
    if (!isMeant) return EXIT.failed.code;
    const done = await producer.cancelMany(filter);
    const { cancelled, requested, alreadyFinal } = done;
    const words = `${plural(cancelled, "run")} cancelled, ${requested} running and told to stop, ${alreadyFinal} ended by themselves`;
    context.io.out(json === true ? JSON.stringify({ ...filter, ...done }) : words);
    return EXIT.ok.code;
  });
}

/** How many runs are meant, and says so. */
async function preview({ io }: CliContext, producer: Producer, filter: CancelFilter): Promise<number> {
  const count = await producer.countCancellable(filter);
  const which = Object.entries(filter).map(([name, value]) => `${name} ${oneLine(String(value), 64)}`);
  io.say(`${plural(count, "live run")} of ${which.join(", ")} will be cancelled.`);
  return count;
}
