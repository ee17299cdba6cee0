/** The worker processes of a chaos run: started through the command line, killed, ended and replaced. Each has a key that the provider sees. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const FLEET = fileURLToPath(new URL("./fleet.ts", import.meta.url));

export interface WorkerChild {
  /** Also its key at the provider. */
  readonly name: string;
  /** Which of the crew's places it fills. */
  readonly place: number;
  readonly pid: number;
  /** Resolves with true when it takes work, with false when it ended before. */
  readonly ready: Promise<boolean>;
  /** An exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** True once a signal was sent to it. */
  readonly isTold: boolean;
  kill(signal: NodeJS.Signals): void;
}

export interface CrewOptions {
  /** What the workers' names begin with. Default `worker`. */
  readonly name?: string;
  readonly folder: string;
  readonly slots: number;
  readonly env: Readonly<Record<string, string>>;
  /** Where the worker of this place finds Redis. */
  readonly redisUrl: (place: number) => string;
  /** Arguments of Node itself. */
  readonly nodeArgs?: readonly string[];
  /** Whether one that ends by its own decision is replaced. Default true; false where its death is the case. */
  readonly replaces?: boolean;
}

export interface Crew extends AsyncDisposable {
  /** Puts a new process on the place. */
  hire(place: number): WorkerChild;
  /** Those that take work now. */
  ready(): WorkerChild[];
  isAlive(pid: number): boolean;
  /** Process ids by worker name, the dead ones too. */
  readonly pids: ReadonlyMap<string, number>;
}

export function createCrew(options: CrewOptions): Crew {
  const all: WorkerChild[] = [];
  const ready = new Set<WorkerChild>();
  const alive = new Map<number, WorkerChild>();
  const pids = new Map<string, number>();
  let closing = false;
  const hire = (place: number): WorkerChild => {
    const worker = startWorker(options, place, all.length);
    all.push(worker);
    alive.set(worker.pid, worker);
    pids.set(worker.name, worker.pid);
    void worker.ready.then((is) => is && alive.has(worker.pid) && ready.add(worker));
    void worker.ended.then(() => {
      alive.delete(worker.pid);
      // One that took work and ended by its own decision, as a stalled one does, is replaced as a supervisor would.
      if (ready.delete(worker) && !worker.isTold && !closing && options.replaces !== false) hire(place);
    });
    return worker;
  };
  return {
    pids,
    ready: () => [...ready],
    isAlive: (pid) => alive.has(pid),
    hire,
    async [Symbol.asyncDispose]() {
      closing = true;
      for (const worker of alive.values()) worker.kill("SIGKILL");
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
}

function startWorker(options: CrewOptions, place: number, number: number): WorkerChild {
  const { name: first = "worker", folder, slots, env, redisUrl, nodeArgs = [] } = options;
  const name = `${first}-${place}-${number}`;
  const child = spawn(process.execPath, [...nodeArgs, MAIN, "worker", "--no-supervise", "--fleet", FLEET, "--concurrency", String(slots)], {
    cwd: folder,
    // The channel carries nothing: when it breaks, the harness is gone, and the worker ends by itself.
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { PATH: process.env["PATH"], FLOTILLA_LOG_LEVEL: "info", ...env, REDIS_URL: redisUrl(place), OPENAI_API_KEY: name },
  });
  const ended = once(child, "exit").then(([code, signal]) => (typeof code === "number" ? code : String(signal)));
  let isTold = false;
  return {
    name,
    place,
    pid: child.pid ?? 0,
    ended,
    get isTold() {
      return isTold;
    },
    ready: Promise.race([said(child, path.join(folder, `${name}.log`), '"worker.started"'), ended.then(() => false)]),
    kill: (signal) => {
      isTold = true;
      child.kill(signal);
    },
  };
}

/** Keeps what the process says in a file, and resolves when it says `text`. */
function said(child: ChildProcess, file: string, text: string): Promise<boolean> {
  const log = createWriteStream(file);
  const { stderr } = child;
  if (stderr === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    createInterface({ input: stderr }).on("line", (line) => {
      log.write(`${line}\n`);
      if (line.includes(text)) resolve(true);
    });
    stderr.once("close", () => log.end());
  });
}
