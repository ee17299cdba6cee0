/** `flotilla runs cancel`: one run, or all live runs of an agent, a tenant, in a state. */
import { type Command, Option } from "commander";
import type { CancelFilter } from "../../producers/cancel-many.ts";
import type { Producer } from "../../producer.ts";
import { FleetError } from "../../protocol/errors.ts";
import { LIVE_STATUSES } from "../../protocol/run.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { oneLine, plural } from "../io.ts";
import { type JsonFlag, print, withRun } from "../one-run.ts";

interface CancelFlags extends CancelFilter, JsonFlag {
  readonly yes?: true;
}

export function addCancel(runs: Command, context: CliContext, exit: (code: number) => void): void {
  runs
    .command("cancel")
    .description("cancel a run, or all live runs that match; a running one is told and ends soon")
    .argument("[run]")
    .option("--agent <agent>", "all runs that this agent has now")
    .option("--tenant <tenant>", "all runs of this tenant")
    .addOption(new Option("--status <status>", "all runs in this state").choices(LIVE_STATUSES))
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    .action(async (id: string | undefined, { yes, json, ...filter }: CancelFlags) => {
      const isFiltered = Object.keys(filter).length > 0;
      if (id !== undefined && !isFiltered) {
        return withRun(context, id, async (run) => print(context, json === true ? { json } : {}, await run.cancel(), run.id));
      }
      if (id === undefined && isFiltered) return exit(await cancelMatching(context, filter, yes === true, json === true));
      throw new FleetError("USAGE", "Expected either a run, or at least one of --agent, --tenant, --status.", {
        at: "runs cancel",
        remedy: "`flotilla runs cancel --help`",
      });
    });
}

async function cancelMatching(context: CliContext, filter: CancelFilter, yes: boolean, json: boolean): Promise<number> {
  return withProducer(context, async (producer) => {
    if (!(await isMeant(context, producer, filter, yes))) {
      context.io.say("Nothing was cancelled.");
      return EXIT.failed.code;
    }
    const done = await producer.cancelMany(filter);
    const { cancelled, requested, alreadyFinal } = done;
    const words = `${plural(cancelled, "run")} cancelled, ${requested} running and told to stop, ${alreadyFinal} ended by themselves`;
    context.io.out(json ? JSON.stringify({ ...filter, ...done }) : words);
    return EXIT.ok.code;
  });
}

/** @throws FleetError USAGE where nobody can be asked. */
async function isMeant({ io }: CliContext, producer: Producer, filter: CancelFilter, yes: boolean): Promise<boolean> {
  const which = Object.entries(filter).map(([name, value]) => `${name} ${oneLine(String(value), 64)}`);
  io.say(`${plural(await producer.countCancellable(filter), "live run")} of ${which.join(", ")} will be cancelled.`);
  if (yes) return true;
  const answer = await io.ask("Cancel? [y/N] ");
  if (answer !== undefined) return /^y(es)?$/i.test(answer.trim());
  throw new FleetError("USAGE", "Expected --yes: standard input is no terminal, so nobody can be asked.", {
    at: "--yes",
    remedy: `flotilla runs cancel ${Object.entries(filter)
      .map(([name, value]) => `--${name} ${value}`)
      .join(" ")} --yes`,
  });
}
