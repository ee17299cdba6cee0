/** `flotilla submit`: puts one run in, and with --wait stays until its end. */
import { type Command, Option } from "commander";
import type { Producer } from "../../producer.ts";
import type { SubmitOptions } from "../../producers/submission.ts";
import { FleetError } from "../../protocol/errors.ts";
import { PRIORITIES, type Priority } from "../../protocol/job.ts";
import { withProducer } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { jsonObject, wholeNumber } from "../options.ts";
import { printResult, tailRun } from "../tail.ts";
import { readTextFile } from "../text-file.ts";

interface SubmitFlags {
  readonly wait?: true;
  readonly json?: true;
  readonly tenant?: string;
  readonly key?: string;
  readonly schema?: string;
  readonly settings?: string;
  readonly context?: string;
  readonly metadata?: string;
  readonly tags?: string;
  readonly priority?: Priority;
  readonly delay?: number;
  readonly deadline?: number;
  readonly conversation?: string;
}

export function addSubmit(program: Command, context: CliContext, exit: (code: number) => void): void {
  program
    .command("submit")
    .description("submit one run; prints its id, or with --wait its output")
    .argument("<agent>", "the agent that begins")
    .argument("[input]", "the input's text; - or nothing reads standard input")
    .option("--wait", "stay until the run ends; Ctrl-C detaches")
    .option("--json", "print JSON")
    .option("--tenant <tenant>", "whose run it is")
    .option("--key <key>", "idempotency key: the same key and input find the run that is there")
    .option("--conversation <id>", "wait for its earlier runs, be shown what they left, and add to it")
    .option("--schema <file>", "a JSON schema file that the output must match")
    .option("--settings <json>", "the agent's settings for this run, a JSON object")
    .option("--context <json>", "the run's context, a JSON object")
    .option("--metadata <json>", "stored with the run, a JSON object")
    .option("--tags <names>", "what its costs are added up by, with commas between")
    .addOption(new Option("--priority <priority>", "ahead of others, or behind them").choices(PRIORITIES))
    .option("--delay <ms>", "not before this many milliseconds", wholeNumber("--delay", 0))
    .option("--deadline <ms>", "expire after this many milliseconds", wholeNumber("--deadline", 1))
    .action(async (agent: string, input: string | undefined, flags: SubmitFlags) => {
      exit(await submit(context, agent, input, flags));
    });
}

async function submit(context: CliContext, agent: string, input: string | undefined, flags: SubmitFlags): Promise<number> {
  const text = await inputText(context, input);
  const options = await submitOptions(flags);
  return withProducer(context, async (producer: Producer) => {
    const run = await producer.submit(agent, text, options);
    if (flags.wait !== true) {
      context.io.out(flags.json === true ? JSON.stringify({ runId: run.id }) : run.id);
      await sayIfAlone(context, run);
      return 0;
    }
    context.io.say(`run ${run.id}`);
    await sayIfAlone(context, run);
    const ended = await tailRun(context, run, { json: false, textTo: "talk" });
    if (ended.status === "detached") return ended.exitCode;
    return printResult(context, await run.result(), flags.json === true);
  });
}

async function sayIfAlone(context: CliContext, run: Awaited<ReturnType<Producer["submit"]>>): Promise<void> {
  const { status, agent, liveWorker } = await run.status();
  if (status === "queued" && !liveWorker)
    context.io.say(`No live worker has agent ${agent}: the run waits until one comes (\`flotilla worker\`).`);
}

async function inputText({ io }: CliContext, input: string | undefined): Promise<string> {
  const text = input === undefined || input === "-" ? await io.readInput() : input;
  if (text !== undefined && text.trim() !== "") return text;
  throw new FleetError("USAGE", "Expected an input; got nothing.", {
    at: "input",
    remedy: "pass it as an argument, or pipe it in: `… | flotilla submit <agent> -`",
  });
}

async function submitOptions(flags: SubmitFlags): Promise<SubmitOptions> {
  const { tenant, key, schema, settings, context, metadata, tags, priority, delay, deadline, conversation } = flags;
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    ...(schema === undefined && settings === undefined ? {} : { settings: await settingsOf(schema, settings) }),
    ...(context === undefined ? {} : { context: jsonObject("--context", context) }),
    ...(tags === undefined ? {} : { tags: tags.split(",").map((tag) => tag.trim()) }),
    ...(metadata === undefined ? {} : { metadata: jsonObject("--metadata", metadata) }),
    ...(priority === undefined ? {} : { priority }),
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(conversation === undefined ? {} : { conversation }),
  };
}

async function settingsOf(schemaFile: string | undefined, settings: string | undefined): Promise<Record<string, unknown>> {
  const given = settings === undefined ? {} : jsonObject("--settings", settings);
  return schemaFile === undefined ? given : { ...given, outputSchema: await readSchema(schemaFile) };
}

/** @throws FleetError USAGE */
export async function readSchema(file: string): Promise<Record<string, unknown>> {
  const text = await readTextFile(file, "schema file", { at: "--schema", remedy: "name a file that holds a JSON schema" });
  return jsonObject("--schema", text, `correct ${file}: it must hold a JSON schema whose type is "object"`);
}
