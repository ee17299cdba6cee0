/** Starts this same command line again as a child process, and waits for its end. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fromSupervisorSchema } from "../workers/supervisor-messages.ts";
import type { CliContext } from "./context.ts";
import type { Env } from "./settings.ts";

export interface Child {
  /** Its own, and those of the worker processes that it supervised. */
  readonly pids: ReadonlySet<number>;
  /** Resolves with what ended it: an exit code or a signal's name. Never rejects. */
  readonly ended: Promise<string>;
  /** SIGTERM is passed on by the child; SIGKILL reaches what it supervises, too, as the loss of a machine would. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

export interface ChildOptions {
  readonly env: Env;
  /** Told each line of its talk and its data. */
  readonly onLine: (line: string) => void;
}

export function startSelf(context: CliContext, args: readonly string[], { env, onLine }: ChildOptions): Child {
  const [program, ...first] = context.self;
  // A group of its own: Ctrl-C reaches only the parent, which then ends its children in order. When the
  // channel breaks, the parent is gone, even by SIGKILL, and the child stops by itself.
  const child = spawn(program, [...first, ...args], { cwd: context.cwd, env, stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) createInterface({ input: stream }).on("line", onLine);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const pids = new Set(child.pid === undefined ? [] : [child.pid]);
  let supervised: number | null = null;
  child.on("message", (raw) => {
    const message = fromSupervisorSchema.safeParse(raw);
    if (!message.success) return;
    supervised = message.data.pid;
    if (supervised !== null) pids.add(supervised);
  });
  return {
    pids,
    ended,
    kill(signal) {
      // The supervisor first: it must not see the end of the other.
      child.kill(signal);
      if (signal === "SIGKILL" && supervised !== null) killIfThere(supervised);
    },
  };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
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
