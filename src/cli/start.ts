/** Wires a process to the command line: streams, signals, settings. */
import { createInterface } from "node:readline/promises";
import { systemClock } from "../clock.ts";
import type { CliContext, ParentChannel } from "./context.ts";
import type { CliIo } from "./io.ts";
import { runCli } from "./program.ts";
import { readSettings, type Settings } from "./settings.ts";
import { decodeText } from "./text-file.ts";

export interface StartOptions {
  readonly argv: readonly string[];
  readonly process: NodeJS.Process;
  readonly self: readonly [string, ...string[]];
}

/** Runs the command line of this process. Resolves with the exit code. */
export async function startCli({ argv, process, self }: StartOptions): Promise<number> {
  // The SDK would send traces to api.openai.com; whoever wants them sets it to 0.
  process.env["OPENAI_AGENTS_DISABLE_TRACING"] ??= "1";
  let settings: Settings | undefined;
  const context: CliContext = {
    io: ioOf(process),
    clock: systemClock,
    cwd: process.cwd(),
    env: process.env,
    settings: () => (settings ??= readSettings(process.env)),
    self,
    ...(process.send === undefined ? {} : { parent: parentOf(process) }),
    onStop: stopsOf(process),
    onUnhandled: (listener) => {
      process.on("unhandledRejection", listener);
    },
  };
  const code = await runCli(argv, context);
  leaveParent(process);
  return code;
}

/** An open channel, and a listener for its end, would hold the process although its work is done. */
function leaveParent(process: NodeJS.Process): void {
  process.removeAllListeners("disconnect");
  if (process.connected) process.disconnect();
}

function ioOf({ stdin, stdout, stderr }: NodeJS.Process): CliIo {
  // `flotilla runs ls | head` closes the pipe early; that is no error of ours.
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  let drawn = false;
  const undraw = (): void => {
    if (drawn) stderr.write("\r\u001b[K");
    drawn = false;
  };
  return {
    isTerminal: stderr.isTTY,
    out: (line) => {
      undraw();
      stdout.write(`${line}\n`);
    },
    write: (text) => {
      stdout.write(text);
    },
    say: (line) => {
      undraw();
      stderr.write(`${line}\n`);
    },
    redraw: (line) => {
      undraw();
      stderr.write(line);
      drawn = true;
    },
    async ask(question) {
      if (!stdin.isTTY) return undefined;
      const lines = createInterface({ input: stdin, output: stderr });
      try {
        return await lines.question(question);
      } finally {
        lines.close();
      }
    },
    async readInput() {
      if (stdin.isTTY) return undefined;
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
      return decodeText(Buffer.concat(chunks), "standard input", { at: "standard input", remedy: "pipe in text, or JSON" });
    },
  };
}

const parentOf = (process: NodeJS.Process): ParentChannel => ({
  send(message, sent) {
    if (process.connected)
      process.send?.(message, undefined, undefined, (error) => {
        if (error === null) sent?.();
      });
  },
  onMessage(listener) {
    process.on("message", listener);
  },
});

const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** A signal that nobody listens to ends the process, as usual. */
const stopsOf =
  (process: NodeJS.Process): CliContext["onStop"] =>
  (stop, again) => {
    let count = 0;
    const listener = (signal: NodeJS.Signals): void => {
      count += 1;
      if (count === 1) stop(signal);
      else again?.();
    };
    const orphaned = (): void => stop("the parent process ended");
    for (const signal of STOP_SIGNALS) process.on(signal, listener);
    process.on("disconnect", orphaned);
    return () => {
      for (const signal of STOP_SIGNALS) process.off(signal, listener);
      process.off("disconnect", orphaned);
    };
  };
