/** One worker process under a supervisor, as an object: its words, its end. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Clock } from "../clock.ts";
import { type FromChild, fromChildSchema, type ToChild } from "./supervisor-messages.ts";

export interface ChildEnd {
  /** Null when a signal ended it, or when it could not be started. */
  readonly code: number | null;
  /** What ended it, for people: `exit code 1`, `SIGKILL`. */
  readonly how: string;
}

export interface Child {
  readonly pid: number | undefined;
  /** Resolves when the process is gone and everything that it had sent was heard. Never rejects. */
  readonly ended: Promise<ChildEnd>;
  send(message: ToChild): void;
  /** SIGKILL. */
  kill(): void;
}

export interface ChildCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A grandchild that kept the channel open would hold up the news for ever. Milliseconds. */
const LAST_WORDS_MS = 250;

/** Its output is this process' own; it stands in the same process group. */
export function spawnChild({ program, args, cwd, env }: ChildCommand, clock: Clock, onMessage: (message: FromChild) => void): Child {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
  child.on("message", (raw) => {
    const message = fromChildSchema.safeParse(raw);
    if (message.success) onMessage(message.data);
  });
  return {
    pid: child.pid,
    ended: endOf(child, clock),
    send(message) {
      // A child that is ending has closed its channel; its end is told elsewhere.
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

async function endOf(child: ChildProcess, clock: Clock): Promise<ChildEnd> {
  const isSilent = new AbortController();
  child.once("disconnect", () => isSilent.abort());
  const end = await new Promise<ChildEnd>((resolve) => {
    child.on("error", (error) => {
      // Of a child that runs, only a message was lost.
      if (child.pid === undefined) resolve({ code: null, how: error.message });
    });
    child.once("exit", (code, signal) => resolve({ code, how: signal ?? `exit code ${code}` }));
  });
  await clock.sleep(LAST_WORDS_MS, isSilent.signal);
  return end;
}
