/** `flotilla runs delete`: one run that is over, or all of a tenant. */
import type { Command } from "commander";
import type { Producer } from "../../producer.ts";
import { FleetError } from "../../protocol/errors.ts";
import { tenantSchema } from "../../protocol/ids.ts";
import { withProducer } from "../connect.ts";
import { asOptions, isConfirmed } from "../confirm.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { plural } from "../io.ts";
import { print, type RunFlags, withRun } from "../one-run.ts";

interface DeleteFlags extends RunFlags {
  readonly yes?: true;
}

export function addDelete(runs: Command, context: CliContext, exit: (code: number) => void): void {
  runs
    .command("delete")
    .description("delete a run that is over, or all of a tenant, with everything that is kept of them")
    .argument("[run]")
    .option("--tenant <tenant>", "all runs of this tenant that are over; with a run: only if it is this tenant's")
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    .action(async (id: string | undefined, flags: DeleteFlags) => {
      const { tenant } = flags;
      if (id !== undefined) return deleteRun(context, id, flags);
      if (tenant !== undefined) return exit(await deleteTenant(context, tenant, flags));
      throw new FleetError("USAGE", "Expected either a run or --tenant.", { at: "runs delete", remedy: "`flotilla runs delete --help`" });
    });
}

const deleteRun = (context: CliContext, id: string, flags: DeleteFlags): Promise<void> =>
  withRun(context, id, flags, async (_run, producer) => {
    await producer.remove(id);
    print(context, flags, { status: "deleted" }, id);
  });

async function deleteTenant(context: CliContext, tenant: string, { yes, json }: DeleteFlags): Promise<number> {
  if (!tenantSchema.safeParse(tenant).success) {
    throw new FleetError("INPUT_INVALID", `Expected the name of a tenant; got ${JSON.stringify(tenant.slice(0, 80))}.`, { at: "--tenant" });
  }
  return withProducer(context, async (producer) => {
    await preview(context, producer, tenant);
    if (!(await isConfirmed(context, "Delete?", yes, `flotilla runs delete${asOptions({ tenant })}`))) return EXIT.failed.code;
    const { removed, live, conversations } = await producer.removeTenant(tenant);
    const told = `${plural(removed, "run")}${alsoConversations(conversations)} of ${tenant} deleted`;
    context.io.out(json === true ? JSON.stringify({ tenant, removed, live, conversations }) : told);
    if (live === 0) return EXIT.ok.code;
    context.io.say(`${plural(live, "run")} not over and left: cancel them (flotilla runs ls --tenant ${tenant}), then delete again.`);
    return EXIT.failed.code;
  });
}

const alsoConversations = (count: number): string => (count === 0 ? "" : ` and ${plural(count, "conversation")}`);

/** Says what is meant. */
async function preview({ io }: CliContext, producer: Producer, tenant: string): Promise<void> {
  const { final, live, conversations } = await producer.countTenant(tenant);
  const left = live === 0 ? "" : `; ${plural(live, "run")} not over will be left`;
  io.say(`${plural(final, "run")}${alsoConversations(conversations)} of tenant ${tenant} will be deleted for good${left}.`);
}
