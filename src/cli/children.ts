/** Starts this same command line again as a child process, and waits for its end. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { CliContext } from "./context.ts";
import type { Env } from "./settings.ts";

export interface Child {
  readonly pid: number | undefined;
  /** Resolves with what ended it: an exit code or a signal's name. Never rejects. */
  readonly ended: Promise<string>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

export interface ChildOptions {
  readonly env: Env;
  /** Told each line of its talk and its data. */
  readonly onLine: (line: string) => void;
}

export function startSelf(context: CliContext, args: readonly string[], { env, onLine }: ChildOptions): Child {
  const [program, ...first] = context.self;
  // A group of its own: Ctrl-C reaches only the parent, which then ends its children in order. The channel carries no message: when it
  // breaks, the parent is gone, even by SIGKILL, and the child stops by itself.
  const child = spawn(program, [...first, ...args], { cwd: context.cwd, env, stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) createInterface({ input: stream }).on("line", onLine);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return {
    pid: child.pid,
    ended,
    kill: (signal) => {
      child.kill(signal);
    },
  };
}

/** Asks the child to end, and ends it for good when it has not after `graceMs`. */
export async function endChild(child: Child, { clock }: CliContext, graceMs: number): Promise<void> {
  child.kill("SIGTERM");
  const patience = new AbortController();
  const late = clock.sleep(graceMs, patience.signal).then(() => {
    if (!patience.signal.aborted) child.kill("SIGKILL");
  });
  await child.ended;
  patience.abort();
  await late;
}
