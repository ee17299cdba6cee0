/** `flotilla runs resolve`: a person's word on one run, or on all runs that wait for the same thing. */
import { type Command, Option } from "commander";
import type { HandleResolution } from "../../producers/run-handle.ts";
import { type ManyResolution, RESOLVABLE, type ResolveFilter } from "../../producers/resolve-many.ts";
import { FleetError } from "../../protocol/errors.ts";
import { withProducer } from "../connect.ts";
import { asOptions, isConfirmed } from "../confirm.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { oneLine, plural } from "../io.ts";
import { print, withRun } from "../one-run.ts";

interface WordFlags {
  readonly ran?: string;
  readonly notRun?: true;
  readonly fail?: true;
  readonly resample?: true;
  readonly continue?: true;
}

interface ResolveFlags extends WordFlags {
  readonly suspension?: ResolveFilter["suspension"];
  readonly agent?: string;
  readonly tenant?: string;
  readonly yes?: true;
  readonly json?: true;
}

export function addResolve(runs: Command, context: CliContext, exit: (code: number) => void): void {
  runs
    .command("resolve")
    .description(
      "say what became of a call whose effect is unknown; without a call: of a diverged replay or a loop; without a run: of all that match",
    )
    .argument("[run]")
    .argument("[call]")
    .option("--ran <result>", "it did happen; the result as JSON or text")
    .option("--not-run", "it did not happen: run it")
    .option("--fail", "end the run as failed")
    .option("--resample", "forget the hop's journal and sample it anew")
    .option("--continue", "let a run go on that goes round in circles")
    .addOption(new Option("--suspension <why>", "all runs that wait for this").choices(RESOLVABLE))
    .option("--agent <agent>", "of those, the runs that this agent has now")
    .option("--tenant <tenant>", "of those, the runs of this tenant; with a run: only if it is this tenant's")
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    .action(async (id: string | undefined, call: string | undefined, flags: ResolveFlags) => {
      if (id === undefined) return exit(await resolveMatching(context, flags));
      checkOneRun(flags);
      const resolution = resolutionOf(call, flags);
      await withRun(context, id, flags, async (run) => {
        await run.resolve(call, resolution);
        print(context, flags, { status: "resolved" }, run.id);
      });
    });
}

async function resolveMatching(context: CliContext, flags: ResolveFlags): Promise<number> {
  const filter = filterOf(flags);
  const resolution = manyResolutionOf(flags);
  return withProducer(context, async (producer) => {
    const count = await producer.countResolvable(filter, resolution);
    const which = Object.values(filter).map((value) => oneLine(String(value), 64));
    context.io.say(`${plural(count, "run")} (${which.join(", ")}) ${MEANING[resolution.type]}.`);
    const command = `flotilla runs resolve${asOptions(filter)} --${resolution.type}`;
    if (count > 0 && !(await isConfirmed(context, "Resolve?", flags.yes, command))) return EXIT.failed.code;
    // What a deploy suspends in this moment was not asked about.
    const done = count === 0 ? { resolved: 0, notOpen: 0 } : await producer.resolveMany(filter, resolution);
    const words = `${plural(done.resolved, "run")} resolved, ${done.notOpen} not open any more`;
    context.io.out(flags.json === true ? JSON.stringify({ ...filter, ...done }) : words);
    return EXIT.ok.code;
  });
}

const MEANING = {
  resample: "will be sampled anew: their hops are paid again, and tools that ran may run again",
  continue: "will go on, and their loops are counted anew",
  fail: "will end as failed",
} as const;

function filterOf({ suspension, agent, tenant }: ResolveFlags): ResolveFilter {
  if (suspension !== undefined)
    return { suspension, ...(agent === undefined ? {} : { agent }), ...(tenant === undefined ? {} : { tenant }) };
  throw new FleetError("USAGE", "Expected either a run or --suspension.", {
    at: "runs resolve",
    remedy: "name one run, or all that wait for the same: --suspension replay-diverged",
  });
}

function manyResolutionOf(flags: WordFlags): ManyResolution {
  const { type } = oneWordOf(flags);
  if (type === "fail" || type === "resample" || type === "continue") return { type };
  throw new FleetError("USAGE", `Expected --resample, --continue or --fail for all runs that match; got --${type}.`, {
    at: `--${type}`,
    remedy: "what became of a call is said call by call: `flotilla runs resolve <run> <call>`",
  });
}

function checkOneRun({ suspension, agent }: ResolveFlags): void {
  if (suspension === undefined && agent === undefined) return;
  throw new FleetError("USAGE", "Expected either a run, perhaps with --tenant, or --suspension with --agent and --tenant; got both.", {
    at: "runs resolve",
    remedy: "leave one of them out",
  });
}

/** @throws FleetError USAGE unless exactly one answer is given. */
export function resolutionOf(call: string | undefined, flags: WordFlags): HandleResolution {
  const only = oneWordOf(flags);
  if (call === undefined && (only.type === "ran" || only.type === "not-run")) {
    throw new FleetError("USAGE", `Expected the id of the call for --${only.type}.`, {
      at: "<call>",
      remedy: "see the open calls with `flotilla runs show <run>`",
    });
  }
  return only;
}

function oneWordOf({ ran, notRun, fail, resample, continue: goOn }: WordFlags): HandleResolution {
  const given: HandleResolution[] = [];
  if (ran !== undefined) given.push({ type: "ran", result: jsonOrText(ran) });
  if (notRun === true) given.push({ type: "not-run" });
  if (fail === true) given.push({ type: "fail" });
  if (resample === true) given.push({ type: "resample" });
  if (goOn === true) given.push({ type: "continue" });
  const [only] = given;
  if (only !== undefined && given.length === 1) return only;
  throw new FleetError("USAGE", `Expected exactly one of --ran, --not-run, --fail, --resample, --continue; got ${given.length}.`, {
    at: "runs resolve",
    remedy: "give one; `flotilla runs show <run>` says what is open",
  });
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
