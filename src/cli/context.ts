/** What every command is handed instead of reaching for the process. */
import type { Clock } from "../clock.ts";
import type { CliIo } from "./io.ts";
import type { Env, Settings } from "./settings.ts";

export interface ParentChannel {
  /** `sent` is called when the message is on its way; never, when the parent is gone. */
  send(message: object, sent?: () => void): void;
  onMessage(listener: (message: unknown) => void): void;
}

export interface CliContext {
  readonly io: CliIo;
  readonly clock: Clock;
  readonly cwd: string;
  readonly env: Env;
  /** Parsed when first asked for, so that `--help` works under a broken environment. */
  settings(): Settings;
  /** The process that started this one, if it opened a channel. */
  readonly parent?: ParentChannel;
  /** How to start this same command line again: the program and its first arguments. */
  readonly self: readonly [string, ...string[]];
  /** Runs `stop` at the first Ctrl-C or SIGTERM and `again` at the second. Returns the undoing. */
  onStop(stop: (signal: string) => void, again?: () => void): () => void;
  /** Is told of rejections that nobody handled, instead of the process being ended. */
  onUnhandled(listener: (reason: unknown) => void): void;
}

/** A signal that Ctrl-C aborts while `work` runs. */
export async function untilStopped<T>(context: CliContext, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const undo = context.onStop(() => controller.abort());
  try {
    return await work(controller.signal);
  } finally {
    undo();
  }
}
