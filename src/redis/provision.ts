/**
 * Redis by itself: finds or starts the Redis that a command works with. Never a silent connection to 127.0.0.1:6379, which may hold
 * somebody's data.
 */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { systemClock } from "../clock.ts";
import type { Clock } from "../clock.ts";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import { ADDRESS_FORMS, parseRedisAddress, redactRedisUrl } from "./address.ts";
import { startPrivateServer } from "./private-server.ts";

export type RedisKind = "url" | "valkey-server" | "redis-server" | "javascript";

export interface ProvisionOptions {
  /** `REDIS_URL` and `PATH` are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the in-memory JavaScript server will do: for the demo and tests only. */
  readonly allowJavaScript: boolean;
  /**
   * The project's folder. The commands that name the same one share one server, whose data stays in `.flotilla/redis`.
   * Without it the server belongs to this process and nothing is kept.
   */
  readonly dir?: string;
  /** Told, in one line, what the user should know of the choice. */
  readonly log: (line: string) => void;
  readonly clock?: Clock;
}

export { redactRedisUrl };

export interface ProvisionedRedis extends AsyncDisposable {
  /** What `connectRedis` takes. */
  readonly url: string;
  readonly kind: RedisKind;
  /** For people, without credentials. */
  readonly describe: string;
  /** Whether other commands of the project find the same server. */
  readonly shared: boolean;
}

/**
 * `REDIS_URL`, else `valkey-server` or `redis-server` on PATH, started privately, else the JavaScript server where it is allowed.
 * Disposing ends this process' use; a started server ends with its last user, even if that one is killed.
 *
 * @throws FleetError REDIS_MISSING when there is none; INPUT_INVALID for a REDIS_URL that is none; BACKEND_UNREACHABLE when a server does not start.
 */
export async function provisionRedis(options: ProvisionOptions): Promise<ProvisionedRedis> {
  const { env, allowJavaScript } = options;
  const url = env["REDIS_URL"]?.trim();
  if (url) return fromUrl(url);
  const found = findServer(env["PATH"] ?? "");
  if (found !== undefined) return startFound(found, options);
  const javascript = allowJavaScript ? await startJavaScript(options.log) : undefined;
  if (javascript !== undefined) return javascript;
  throw new FleetError("REDIS_MISSING", "No Redis is configured, and neither valkey-server nor redis-server is on PATH.", {
    at: "REDIS_URL",
    remedy: "set REDIS_URL, or install a server (apt-get install redis-server, brew install valkey)",
  });
}

function fromUrl(url: string): ProvisionedRedis {
  try {
    parseRedisAddress(url);
  } catch (cause) {
    // Whoever typed it looks for the variable's name. The value itself stays unsaid: a mistyped address may still hold a password.
    const what = isFleetError(cause) ? cause : undefined;
    const isForm = what !== undefined && !what.message.startsWith("Expected a Redis URL");
    throw new FleetError(
      "INPUT_INVALID",
      isForm ? what.message : `Expected ${ADDRESS_FORMS} and an address, or a socket's absolute path.`,
      {
        at: "REDIS_URL",
        remedy: (isForm ? what.remedy : undefined) ?? "set REDIS_URL=redis://host:6379",
      },
    );
  }
  return { url, kind: "url", describe: `${redactRedisUrl(url)} (REDIS_URL)`, shared: true, [Symbol.asyncDispose]: () => Promise.resolve() };
}

interface FoundServer {
  readonly kind: "valkey-server" | "redis-server";
  readonly program: string;
}

function findServer(pathVariable: string): FoundServer | undefined {
  for (const kind of ["valkey-server", "redis-server"] as const) {
    for (const folder of pathVariable.split(delimiter)) {
      // A relative entry of PATH would run whatever lies in the working directory.
      const program = join(folder, kind);
      if (folder.startsWith("/") && isProgram(program)) return { kind, program };
    }
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function startFound({ kind, program }: FoundServer, { dir, clock = systemClock }: ProvisionOptions): Promise<ProvisionedRedis> {
  const dataDir = dir === undefined ? undefined : resolve(dir, ".flotilla", "redis");
  const server = await startPrivateServer({ program, dataDir, clock });
  const place = dataDir === undefined ? "nothing is kept" : `data in ${dataDir}`;
  return {
    url: `redis+unix://${server.path}`,
    kind,
    describe: `${server.joined ? "the project's running" : "a private"} ${kind} (${place})`,
    shared: dataDir !== undefined,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Undefined when the package is not installed: it is a development dependency, which no production install has. */
async function startJavaScript(log: (line: string) => void): Promise<ProvisionedRedis | undefined> {
  const library = await import("js-redis-server").catch(() => undefined);
  if (library === undefined) return undefined;
  const server = await library.createRedisMock();
  log("No valkey-server or redis-server on PATH: using the JavaScript server, in memory and slow, good for a demo and tests only.");
  return {
    url: `redis://127.0.0.1:${server.port}`,
    kind: "javascript",
    describe: "the JavaScript server (in memory; demo and tests only)",
    shared: false,
    [Symbol.asyncDispose]: async () => {
      await server.close();
    },
  };
}
