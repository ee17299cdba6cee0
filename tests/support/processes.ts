/** Real worker processes for tests: started through the command line, watched through their log, ended by signal. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
export const STALL_FLEET = fileURLToPath(new URL("./fleets/stall-fleet.ts", import.meta.url));
export const PROMISE_FLEET = fileURLToPath(new URL("./fleets/promise-fleet.ts", import.meta.url));
export const APPROVAL_FLEET = fileURLToPath(new URL("./fleets/approval-fleet.ts", import.meta.url));
export const DOORS_FLEET = fileURLToPath(new URL("./fleets/doors-fleet.ts", import.meta.url));
export const ANSWERS_FLEET = fileURLToPath(new URL("./fleets/answers-fleet.ts", import.meta.url));

export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  /** What it said on stderr, so far. */
  readonly said: string[];
  /** SIGKILL ends the supervisor and what it supervises together, as the loss of a machine would. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Resolves with the first log record of this event, past or future. */
  logged(event: string): Promise<Record<string, unknown>>;
}

export interface WorkerProcessOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly fleet?: string;
}

/** Resolves when the worker takes work. Rejects with what it said when it ends before. */
export async function startWorker({ env, args = [], fleet = PROMISE_FLEET }: WorkerProcessOptions): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [MAIN, "worker", "--fleet", fleet, ...args], {
    env: { PATH: process.env["PATH"], FLOTILLA_LOG_LEVEL: "info", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: string[] = [];
  const waiters = new Set<() => void>();
  const ended = once(child, "exit").then(([code]) => code as number | null); // the event's own arguments
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      for (const wake of waiters) wake();
    });
  }
  void ended.then(() => {
    for (const wake of waiters) wake();
  });
  const worker: WorkerProcess = {
    pid: child.pid ?? 0,
    said,
    kill: async (signal) => {
      child.kill(signal);
      if (signal === "SIGKILL") killSupervised(said);
      return ended;
    },
    logged: (event) => find(child, said, waiters, event),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        killSupervised(said);
      }
      await ended;
    },
  };
  await worker.logged("worker.started");
  return worker;
}

/** The latest process that the supervisor told of. */
function killSupervised(said: readonly string[]): void {
  const pid = Number(said.map(parse).findLast((entry) => entry?.["event"] === "child.started")?.["pid"] ?? 0);
  try {
    if (pid > 0) process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

async function find(
  child: ChildProcess,
  said: readonly string[],
  waiters: Set<() => void>,
  event: string,
): Promise<Record<string, unknown>> {
  for (;;) {
    const record = said.map(parse).find((entry) => entry?.["event"] === event);
    if (record !== undefined) return record;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The worker ended before it logged ${event}:\n${said.join("\n")}`);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        waiters.delete(wake);
        resolve();
      };
      waiters.add(wake);
    });
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
