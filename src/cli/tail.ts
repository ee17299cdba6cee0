/** Follows one run on the terminal until it ends or the person leaves. */
import type { RunHandle } from "../producers/run-handle.ts";
import { type FollowedEvent, isFinalEvent } from "../protocol/events.ts";
import type { RunResult } from "../protocol/run.ts";
import { type CliContext, untilStopped } from "./context.ts";
import { describeEvent, formatUsage } from "./event-lines.ts";
import { EXIT } from "./exit-codes.ts";
import { type CliIo, oneLine, printable } from "./io.ts";

export interface TailOptions {
  readonly after?: string | undefined;
  /** One JSON object per line on stdout instead of words. */
  readonly json: boolean;
  /** Live text is data for `tail`, and talk where the output follows as data. */
  readonly textTo: "data" | "talk";
}

export type Tailed = { readonly status: "ended"; readonly exitCode: number } | { readonly status: "detached"; readonly exitCode: number };

const PREVIEW_CHARS = 76;

export async function tailRun(context: CliContext, run: RunHandle, { after, json, textTo }: TailOptions): Promise<Tailed> {
  const { io } = context;
  const line = textTo === "data" ? textLine((text) => io.write(text)) : previewLine(io);
  let last: FollowedEvent | undefined;
  await untilStopped(context, async (signal) => {
    for await (const event of run.events({ after, signal })) {
      last = event;
      if (json) io.out(JSON.stringify(event));
      else if (event.type === "text.delta") line.add(printable(event.text));
      else sayEvent(context, event, line);
    }
  });
  if (last === undefined || !isFinalEvent(last)) {
    const ended = last === undefined ? await hasEnded(run) : false;
    if (!ended) return detached(context, run.id, last?.cursor ?? after);
    return { status: "ended", exitCode: EXIT.ok.code };
  }
  return { status: "ended", exitCode: last.type === "run.completed" ? EXIT.ok.code : EXIT.failed.code };
}

/** Prints how a run ended: its output to stdout when it completed, else the reason to stderr. */
export function printResult({ io }: CliContext, result: RunResult, json: boolean): number {
  if (json) io.out(JSON.stringify(result));
  else if (result.status === "completed")
    io.out(typeof result.output === "string" ? printable(result.output) : JSON.stringify(result.output, null, 2));
  else
    io.say(`run ${result.runId} ${result.status}${"error" in result ? `: ${result.error.code} ${printable(result.error.message)}` : ""}`);
  if (!json) io.say(`${result.agent}: ${formatUsage(result.usage)}`);
  return result.status === "completed" ? EXIT.ok.code : EXIT.failed.code;
}

function sayEvent({ io }: CliContext, event: FollowedEvent, line: TextLine): void {
  const text = describeEvent(event);
  if (text === undefined) return;
  line.end();
  io.say(`${"agent" in event ? `${oneLine(event.agent, 40)}: ` : ""}${text}`);
}

function detached({ io }: CliContext, runId: string, cursor: string | undefined): Tailed {
  io.say(`Detached; the run goes on. Attach again with: flotilla runs tail ${runId}${cursor === undefined ? "" : ` --after ${cursor}`}`);
  return { status: "detached", exitCode: EXIT.detached.code };
}

/** A cursor behind the final event shows nothing more. */
async function hasEnded(run: RunHandle): Promise<boolean> {
  const { finishedAtMs } = await run.status();
  return finishedAtMs !== undefined;
}

interface TextLine {
  add(text: string): void;
  /** Ends a line of text that is begun, so that talk does not stand in it. */
  end(): void;
}

/** The end of the text that is being made, on one line of talk; nothing where talk is not a terminal. */
function previewLine(io: CliIo): TextLine {
  let text = "";
  return {
    add(more) {
      text = (text + more).slice(-PREVIEW_CHARS);
      if (io.isTerminal) io.redraw(oneLine(text, PREVIEW_CHARS));
    },
    end() {
      text = "";
    },
  };
}

function textLine(show: (text: string) => void): TextLine {
  let isOpen = false;
  return {
    add(text) {
      show(text);
      isOpen = true;
    },
    end() {
      if (isOpen) show("\n");
      isOpen = false;
    },
  };
}
