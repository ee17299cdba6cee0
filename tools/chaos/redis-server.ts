/** The Redis under test: a real server on a unix socket with an append-only file, which may be killed and started again on the same data. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import type { Clock } from "../../src/clock.ts";
import { FleetError } from "../../src/protocol/errors.ts";
import { redisOptions } from "../../src/redis/connection.ts";

export interface ChaosRedis extends AsyncDisposable {
  readonly url: string;
  readonly socketPath: string;
  /** For the harness' own commands, such as CONFIG SET. */
  readonly admin: Redis;
  /** SIGKILL, as a crash of the server's process: what the kernel has taken is kept. */
  kill(): Promise<void>;
  /** Starts it on the data that is there. Resolves when it answers. */
  start(): Promise<void>;
}

const ANSWERS_WITHIN_MS = 15_000;
const LOOK_AGAIN_MS = 10;

/**
 * The server's program. The JavaScript server of the tests will not do: it has no process to kill, no memory limit and no file.
 * @throws FleetError REDIS_MISSING
 */
export function findRedisProgram(searchPath: string | undefined): string {
  for (const name of ["valkey-server", "redis-server"]) {
    for (const folder of (searchPath ?? "").split(path.delimiter)) {
      const program = path.join(folder, name);
      if (folder.startsWith("/") && isProgram(program)) return program;
    }
  }
  throw new FleetError("REDIS_MISSING", "Chaos needs a real Redis server: the JavaScript one can be neither killed nor filled.", {
    at: "PATH",
    remedy: "install redis-server or valkey-server; chaos starts a private one and leaves REDIS_URL alone",
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function startChaosRedis(program: string, clock: Clock): Promise<ChaosRedis> {
  const folder = mkdtempSync(path.join(tmpdir(), "chaos-redis-"));
  const socketPath = path.join(folder, "redis.sock");
  mkdirSync(path.join(folder, "data"));
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    server = spawn(program, argumentsOf(folder, socketPath), { stdio: "ignore" });
    await answers(server, socketPath, clock);
  };
  const kill = async (): Promise<void> => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
  };
  const atExit = (): void => void server?.kill("SIGKILL");
  process.once("exit", atExit);
  await start();
  const admin = new Redis(redisOptions({ url: `redis+unix://${socketPath}`, role: "worker", name: "chaos" }));
  // It is away while it is killed; ioredis comes back by itself.
  admin.on("error", () => undefined);
  return {
    url: `redis+unix://${socketPath}`,
    socketPath,
    admin,
    kill,
    start,
    async [Symbol.asyncDispose]() {
      admin.disconnect();
      await kill();
      process.off("exit", atExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const argumentsOf = (folder: string, socketPath: string): string[] => {
  const reach = ["--port", "0", "--unixsocket", socketPath, "--unixsocketperm", "700", "--daemonize", "no"];
  const keep = ["--maxmemory-policy", "noeviction", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];
  return [...reach, ...keep, "--dir", path.join(folder, "data"), "--logfile", path.join(folder, "redis.log")];
};

/** A server that loads its file answers LOADING, which is not yet an answer. */
async function answers(server: ChildProcess, socketPath: string, clock: Clock): Promise<void> {
  const giveUpAtMs = clock.nowMs() + ANSWERS_WITHIN_MS;
  while (clock.nowMs() < giveUpAtMs && server.exitCode === null) {
    const probe = new Redis({ path: socketPath, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    probe.on("error", () => undefined);
    const pong = await probe.ping().catch(() => undefined);
    probe.disconnect();
    if (pong === "PONG") return;
    await clock.sleep(LOOK_AGAIN_MS);
  }
  throw new FleetError("BACKEND_UNREACHABLE", "The private Redis of the chaos run did not come up.", { at: socketPath });
}
