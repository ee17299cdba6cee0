/**
 * A Redis of one's own: a server that is started for a project (or one process) and ends with its last user.
 *
 * Who uses it is counted by the kernel. Each user holds the write end of a named pipe, the lease; a small shell beside the server reads
 * the other end and meets its end of file when the last user closed its end or died, SIGKILL included. Opening the lease fails at once
 * when nobody reads it, so a dead server is never mistaken for a live one.
 */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import { answersPing, askToShutDown } from "./ping.ts";
import { claim, isAlive, publish, readState, withdraw } from "./server-state.ts";
import type { ServerState } from "./server-state.ts";

export interface PrivateServer {
  /** The server's unix socket. */
  readonly path: string;
  /** True when another process had started it. */
  readonly joined: boolean;
  /** Ends this process' use. Resolves when the server of one process has ended; a shared one ends after its last user. */
  close(): Promise<void>;
}

export interface PrivateServerOptions {
  /** Path of `valkey-server` or `redis-server`. */
  readonly program: string;
  /** Where the data lives, shared by everyone who names the same folder. Without it nothing is kept and nothing is shared. */
  readonly dataDir: string | undefined;
  readonly clock: Clock;
}

/** A unix socket's path holds at most 104 bytes on macOS and 108 on Linux. */
const SOCKET_PATH_BYTES = 104;
const RUN_PREFIX = "flotilla-redis-";
const START_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 20;

/**
 * $1 the lease's folder, $2 the state file or nothing, then the server's command line. Standard input is the lease's read end.
 * The second `read` honours a user who came between the end of file and the removal of the lease.
 */
const KEEPER = `
run=$1; state=$2; shift 2
exec 3<&0 </dev/null
"$@" 3<&- >/dev/null 2>&1 &
server=$!
( read -r _ <&3; rm -f "$run/lease"; read -r _ <&3; kill "$server" ) >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$server"
kill "$reader" 2>/dev/null
if [ -n "$state" ] && grep -qF "$run/" "$state" 2>/dev/null; then rm -f "$state"; fi
rm -rf "$run"
`;

/** @throws FleetError BACKEND_UNREACHABLE when the server does not come up. */
export async function startPrivateServer(options: PrivateServerOptions): Promise<PrivateServer> {
  const { dataDir, clock } = options;
  if (dataDir === undefined) {
    const started = await startServer(options);
    return { path: started.path, joined: false, close: serverCloser(started) };
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // Runs hold prompts: they should not end up in a repository by accident.
  writeFileSync(join(dataDir, ".gitignore"), "*\n");
  const giveUpAtMs = clock.nowMs() + START_WITHIN_MS;
  while (clock.nowMs() < giveUpAtMs) {
    const state = readState(dataDir);
    if (state === undefined) {
      const claimed = claim(dataDir);
      if (claimed !== undefined) return startShared(options, dataDir, claimed);
    } else {
      const joined = await joinServer(state);
      if (joined !== undefined) return joined;
      if (!isAlive(state.pid)) await clearAway(dataDir, state);
    }
    await clock.sleep(LOOK_AGAIN_MS);
  }
  throw new FleetError("BACKEND_UNREACHABLE", "The project's own Redis neither answers nor ends.", {
    at: dataDir,
    remedy: "end the other flotilla commands of this project, or set REDIS_URL",
  });
}

async function startShared(options: PrivateServerOptions, dataDir: string, claimed: ServerState): Promise<PrivateServer> {
  try {
    const started = await startServer(options);
    publish(dataDir, { pid: started.keeperPid, path: started.path });
    return { path: started.path, joined: false, close: leaseCloser(started.leaseFd) };
  } catch (error) {
    withdraw(dataDir, claimed);
    throw error;
  }
}

async function joinServer(state: ServerState): Promise<PrivateServer | undefined> {
  const { path } = state;
  if (path === undefined) return undefined;
  const leaseFd = openLease(dirname(path));
  if (leaseFd === undefined) return undefined;
  if (await answersPing({ path })) return { path, joined: true, close: leaseCloser(leaseFd) };
  closeSync(leaseFd);
  return undefined;
}

/** What a keeper that was killed itself left behind. Two servers must never write the same files. */
async function clearAway(dataDir: string, state: ServerState): Promise<void> {
  if (state.path !== undefined) {
    if (existsSync(state.path)) await askToShutDown({ path: state.path });
    const run = dirname(state.path);
    // The state file may have been edited: only a folder that this module could have made is removed.
    if (basename(run).startsWith(RUN_PREFIX)) rmSync(run, { recursive: true, force: true });
  }
  withdraw(dataDir, state);
}

interface StartedServer {
  readonly path: string;
  readonly leaseFd: number;
  readonly keeper: ChildProcess;
  readonly keeperPid: number;
}

async function startServer({ program, dataDir, clock }: PrivateServerOptions): Promise<StartedServer> {
  const run = mkdtempSync(join(shortTempDir(), RUN_PREFIX));
  const path = join(run, "redis.sock");
  const { readFd, leaseFd } = makeLease(run);
  const stateFile = dataDir === undefined ? "" : join(dataDir, "server.json");
  const keeper = spawn(
    "/bin/sh",
    ["-c", KEEPER, "flotilla-redis", run, stateFile, program, ...serverOptions(path, dataDir ?? run, dataDir !== undefined)],
    {
      // A session of its own: Ctrl-C in the terminal reaches the commands, which then end their use in order.
      detached: true,
      stdio: [readFd, "ignore", "ignore"],
    },
  );
  closeSync(readFd);
  keeper.unref();
  const ended = once(keeper, "exit").then(
    () => "ended" as const,
    () => "ended" as const,
  );
  const giveUpAtMs = clock.nowMs() + START_WITHIN_MS;
  while (clock.nowMs() < giveUpAtMs) {
    if (keeper.pid !== undefined && (await answersPing({ path }))) return { path, leaseFd, keeper, keeperPid: keeper.pid };
    if ((await Promise.race([ended, clock.sleep(LOOK_AGAIN_MS)])) === "ended") break;
  }
  const log = lastLines(join(dataDir ?? run, "redis.log"));
  closeSync(leaseFd);
  throw new FleetError("BACKEND_UNREACHABLE", `${program} was started and did not come up.${log}`, {
    at: dataDir ?? run,
    remedy: "run it by hand to see why, or set REDIS_URL",
  });
}

function serverOptions(path: string, dir: string, keepsData: boolean): string[] {
  const persistence = keepsData ? ["--appendonly", "yes", "--appendfsync", "everysec"] : ["--appendonly", "no"];
  const reach = ["--port", "0", "--unixsocket", path, "--unixsocketperm", "700"];
  return [
    ...reach,
    "--maxmemory-policy",
    "noeviction",
    "--save",
    "",
    ...persistence,
    "--dir",
    dir,
    "--logfile",
    join(dir, "redis.log"),
    "--daemonize",
    "no",
  ];
}

/** Both ends of a new lease. The order matters: a pipe's write end opens without waiting only when a reader is there, and the reverse. */
function makeLease(run: string): { readFd: number; leaseFd: number } {
  const lease = join(run, "lease");
  execFileSync("mkfifo", ["-m", "600", lease]);
  const helperFd = openSync(lease, constants.O_RDONLY | constants.O_NONBLOCK);
  const leaseFd = openSync(lease, constants.O_WRONLY | constants.O_NONBLOCK);
  const readFd = openSync(lease, constants.O_RDONLY);
  closeSync(helperFd);
  return { readFd, leaseFd };
}

function openLease(run: string): number | undefined {
  try {
    return openSync(join(run, "lease"), constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // ENXIO: nobody reads it any more. ENOENT: it was taken away.
    return undefined;
  }
}

/** Closes the lease the first time it is called: a number that was closed may by then belong to another file. */
function leaseCloser(leaseFd: number): () => Promise<void> {
  let open = true;
  return () => {
    if (open) closeSync(leaseFd);
    open = false;
    return Promise.resolve();
  };
}

function serverCloser({ keeper, leaseFd }: StartedServer): () => Promise<void> {
  const closeLease = leaseCloser(leaseFd);
  return async () => {
    const ended = keeper.exitCode === null && keeper.signalCode === null ? once(keeper, "exit") : undefined;
    keeper.ref();
    await closeLease();
    await ended;
  };
}

const shortTempDir = (): string => {
  const longest = join(tmpdir(), `${RUN_PREFIX}XXXXXX`, "redis.sock");
  return Buffer.byteLength(longest) < SOCKET_PATH_BYTES ? tmpdir() : "/tmp";
};

function lastLines(logFile: string): string {
  try {
    return `\n  ${readFileSync(logFile, "utf8").trim().split("\n").slice(-3).join("\n  ")}`;
  } catch {
    return "";
  }
}
