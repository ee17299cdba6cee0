/** `flotilla failures`: failed runs by what made them fail, and retrying all of one kind. */
import type { Command } from "commander";
import type { Producer } from "../../producer.ts";
import type { FailureGroup } from "../../protocol/run-store.ts";
import { withProducer } from "../connect.ts";
import { asOptions, isConfirmed } from "../confirm.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCount, formatMs, oneLine, plural, table } from "../io.ts";

interface QueryFlags {
  readonly tenant?: string;
  readonly agent?: string;
  readonly json?: true;
}
interface RetryFlags extends QueryFlags {
  readonly code: string;
  readonly yes?: true;
}

type RetryQuery = Parameters<Producer["retryMany"]>[0];

export function addFailures(program: Command, context: CliContext, exit: (code: number) => void): void {
  const failures = program
    .command("failures")
    .description("failed runs that nobody retried, by code and agent")
    .option("--tenant <tenant>", "only runs of this tenant")
    .option("--agent <agent>", "only runs that failed in this agent")
    .option("--json", "print one JSON object per line")
    .action((flags: QueryFlags) => list(context, flags));
  failures
    .command("retry")
    .description("retry all failed runs of one code; says how many and asks")
    .requiredOption("--code <code>", "the code that made them fail")
    .option("--tenant <tenant>", "only runs of this tenant")
    .option("--agent <agent>", "only runs that failed in this agent")
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    // The group has options of the same names, and the parser gives them to the group.
    .action(async (_own: RetryFlags, command: Command) => exit(await retryAll(context, command.optsWithGlobals<RetryFlags>())));
}

async function list(context: CliContext, { tenant, agent, json }: QueryFlags): Promise<void> {
  const groups = await withProducer(context, (producer) => producer.failures({ tenant, agent }));
  if (json === true) for (const group of groups) context.io.out(JSON.stringify(group));
  else if (groups.length === 0) context.io.say("No failed run waits for a retry.");
  else for (const line of drawFailures(groups, context.clock.nowMs())) context.io.out(line);
}

export function drawFailures(groups: readonly FailureGroup[], nowMs: number): string[] {
  const ago = (atMs: number): string => `${formatMs(Math.max(0, nowMs - atMs))} ago`;
  const rows = groups
    .toSorted((a, b) => b.count - a.count)
    .map(({ code, agent, count, newest, firstAtMs, lastAtMs }) => [
      code,
      oneLine(agent, 32),
      formatCount(count),
      ago(firstAtMs),
      ago(lastAtMs),
      newest,
    ]);
  return table([["CODE", "AGENT", "RUNS", "FIRST", "LAST", "NEWEST"], ...rows]);
}

async function retryAll(context: CliContext, { code, tenant, agent, yes, json }: RetryFlags): Promise<number> {
  return withProducer(context, async (producer) => {
    const query = { code, tenant, agent };
    const count = await preview(context, producer, query);
    const isMeant = count === 0 || (await isConfirmed(context, "Retry?", yes, `flotilla failures retry${asOptions(query)}`));
    if (!isMeant) return EXIT.failed.code;
    let [retried, refused] = [0, 0];
    for await (const answer of producer.retryMany(query)) {
      if ("continuedAs" in answer) retried += 1;
      else context.io.say(`${answer.runId} ${answer.error.code} ${answer.error.message}`);
      if ("error" in answer) refused += 1;
    }
    context.io.out(json === true ? JSON.stringify({ retried, refused }) : `${plural(retried, "run")} retried`);
    if (refused > 0) context.io.say(`${plural(refused, "run")} refused; the reasons stand above.`);
    return refused === 0 ? EXIT.ok.code : EXIT.partial.code;
  });
}

/** How many runs are meant, and says so. */
async function preview({ io }: CliContext, producer: Producer, query: RetryQuery): Promise<number> {
  const groups = await producer.failures(query);
  const count = groups.reduce((sum, group) => sum + group.count, 0);
  io.say(`${plural(count, "run")} that failed with ${query.code} will be retried, from the hop that failed, in the same tenants.`);
  for (const { agent, count: ofAgent } of groups) io.say(`  ${formatCount(ofAgent)} in ${oneLine(agent, 64)}`);
  return count;
}
