/**
 * Redis servers of a test's own, as people run them: with TLS, users, sentinels, as a Cluster. All on loopback, all ended with the test.
 * They come from a `redis-server` on PATH; what is missing is said by `missingPrograms`.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { freePort, until } from "../../tools/loopback.ts";

export { freePort, until };

export const execute = promisify(execFile);

/** Why a test that needs these programs cannot run here; undefined when it can. */
export function missingPrograms(...programs: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const missing = programs.filter((program) => !folders.some((folder) => isProgram(join(folder, program))));
  return missing.length === 0 ? undefined : `needs ${missing.join(" and ")} on PATH`;
}

/** The path of a server program of at least this major version: in the folder that TEST_SERVERS names, else on PATH. */
export function programOf(name: string, leastMajor: number): string | undefined {
  const folders = [process.env["TEST_SERVERS"] ?? "", ...(process.env["PATH"] ?? "").split(delimiter)].filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => isProgram(path) && majorOf(path) >= leastMajor);
}

const majorOf = (path: string): number => Number(/\bv=(\d+)/.exec(execFileSync(path, ["--version"], { encoding: "utf8" }))?.[1] ?? 0);

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface TestServer {
  readonly port: number;
  readonly dir: string;
  /** Every line that it printed. */
  readonly printed: readonly string[];
  /** Resolves with the first line that holds `text`, past or future. */
  says(text: string): Promise<string>;
  /** SIGKILL by default. Resolves when the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGSTOP and SIGCONT: a machine that is there and does not answer. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  /** Starts it again on its data. Resolves when it takes commands. */
  restart(): Promise<void>;
}

export interface ServerPlan {
  /** Settings as on the command line, without the dashes: `{ appendonly: "yes" }`. An array gives a setting several times. */
  readonly settings?: Readonly<Record<string, string | readonly string[]>>;
  /** The name of a program on PATH, or a path. Default `redis-server`. */
  readonly program?: string;
  readonly sentinel?: boolean;
}

/** What a test started; disposing ends all of it and removes its files. */
export interface ServerRoom extends AsyncDisposable {
  readonly dir: string;
  start(name: string, plan?: ServerPlan): Promise<TestServer>;
}

export function openServerRoom(): ServerRoom {
  const dir = mkdtempSync(join(tmpdir(), "flotilla-servers-"));
  const servers: TestServer[] = [];
  return {
    dir,
    async start(name, plan = {}) {
      const server = await startServer(join(dir, name), plan);
      servers.push(server);
      return server;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function startServer(dir: string, plan: ServerPlan): Promise<TestServer> {
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  writeFileSync(join(dir, "server.conf"), confOf(port, dir, plan));
  const printed: string[] = [];
  const waiters = new Set<() => void>();
  const wakeAll = (): void => {
    for (const wake of waiters) wake();
  };
  let child: ChildProcess;
  const saysAfter = async (text: string, start: number): Promise<string> => {
    for (;;) {
      const line = printed.slice(start).find((each) => each.includes(text));
      if (line !== undefined) return line;
      if (child.exitCode !== null) throw new Error(`The server ended before it said "${text}":\n${printed.join("\n")}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiters.delete(wake);
          resolve();
        };
        waiters.add(wake);
      });
    }
  };
  const run = async (): Promise<void> => {
    const start = printed.length;
    const args = [join(dir, "server.conf"), ...(plan.sentinel === true ? ["--sentinel"] : [])];
    child = spawn(plan.program ?? "redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
    child.once("exit", wakeAll);
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        printed.push(line);
        wakeAll();
      });
    }
    await saysAfter(plan.sentinel === true ? "Sentinel ID is" : "Ready to accept connections", start);
  };
  await run();
  return {
    port,
    dir,
    printed,
    says: (text) => saysAfter(text, 0),
    signal: (signal) => void child.kill(signal),
    restart: run,
    async kill(signal = "SIGKILL") {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
    },
  };
}

function confOf(port: number, dir: string, { settings = {}, sentinel = false }: ServerPlan): string {
  const always = { bind: "127.0.0.1", port: String(port), dir, ...(sentinel ? {} : { save: '""' }) };
  const lines = Object.entries({ ...always, ...settings }).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((each) => `${name} ${each}`),
  );
  return `${lines.join("\n")}\n`;
}

/** Runs `redis-cli` against a server, and resolves with what it printed. */
export async function redisCli(port: number, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute("redis-cli", ["-h", "127.0.0.1", "-p", String(port), "-e", ...args]);
  return stdout.trimEnd();
}

/** Counts what clients send, by name, without what scripts call. It is `redis-cli monitor`: a client library's own reads replies too early. */
export function countCommands(port: number): { stop(): Promise<ReadonlyMap<string, number>> } {
  const names = new Map<string, number>();
  const child = spawn("redis-cli", ["-h", "127.0.0.1", "-p", String(port), "monitor"], { stdio: ["ignore", "pipe", "ignore"] });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [, source, name] = /^[\d.]+ \[\d+ ([^\]]+)\] "(\w+)"/.exec(line) ?? [];
    if (name !== undefined && source !== "lua") names.set(name, (names.get(name) ?? 0) + 1);
  });
  return {
    async stop() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
      return names;
    },
  };
}

export interface SentinelSetup {
  readonly primary: TestServer;
  readonly replica: TestServer;
  readonly sentinels: readonly TestServer[];
  readonly url: string;
}

/** A primary, a replica in step with it, and three sentinels that know each other. */
export async function startSentinelSetup(room: ServerRoom, downAfterMs: number): Promise<SentinelSetup> {
  const primary = await room.start("primary", { settings: { appendonly: "yes" } });
  const replica = await room.start("replica", { settings: { appendonly: "yes", replicaof: `127.0.0.1 ${primary.port}` } });
  await replica.says("sync: Finished with success");
  const plan: ServerPlan = {
    sentinel: true,
    settings: {
      "sentinel monitor": `main 127.0.0.1 ${primary.port} 2`,
      "sentinel down-after-milliseconds": `main ${downAfterMs}`,
      // Three sentinels that see the same death at once may split their votes; they vote again after twice this time.
      "sentinel failover-timeout": "main 3000",
    },
  };
  const sentinels = await Promise.all(["s1", "s2", "s3"].map((name) => room.start(name, plan)));
  await until("the sentinels know each other and the replica", 20_000, async () => {
    const facts = await Promise.all(sentinels.map(({ port }) => redisCli(port, "sentinel", "master", "main")));
    return facts.every((text) => /num-slaves\n1\n/.test(text) && /num-other-sentinels\n2\n/.test(text));
  });
  return { primary, replica, sentinels, url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/main` };
}

export interface ClusterSetup {
  readonly nodes: readonly TestServer[];
  readonly url: string;
}

/** Three primaries with a replica each. */
export async function startCluster(room: ServerRoom, nodeTimeoutMs: number): Promise<ClusterSetup> {
  const nodes = await Promise.all(
    Array.from({ length: 6 }, async (_, index) =>
      room.start(`node-${index}`, {
        settings: {
          "cluster-enabled": "yes",
          "cluster-port": String(await freePort()),
          "cluster-node-timeout": String(nodeTimeoutMs),
          appendonly: "yes",
        },
      }),
    ),
  );
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const [first] = nodes;
  if (first === undefined) throw new Error("No node.");
  await redisCli(first.port, "--cluster", "create", ...hosts, "--cluster-replicas", "1", "--cluster-yes");
  await until("every node sees a whole Cluster with its replicas in step", 20_000, async () => {
    const facts = await Promise.all(
      nodes.map(async ({ port }) => (await redisCli(port, "cluster", "info")) + (await redisCli(port, "info", "replication"))),
    );
    return facts.every(
      (text) => text.includes("cluster_state:ok") && (text.includes("role:master") || text.includes("master_link_status:up")),
    );
  });
  // One node is enough to find the others; two, so that one may be away.
  return { nodes, url: `redis+cluster://${hosts.slice(0, 3).join(",")}` };
}

/** The node that serves `key` now. */
export async function ownerOf(
  { nodes }: ClusterSetup,
  key: string,
): Promise<{ readonly slot: number; readonly owner: TestServer; readonly id: string }> {
  for (const node of nodes) {
    const slot = Number(await redisCli(node.port, "cluster", "keyslot", key).catch(() => Number.NaN));
    if (Number.isNaN(slot)) continue;
    const lines = (await redisCli(node.port, "cluster", "nodes")).split("\n");
    const line = lines.find(
      (each) => each.includes(" connected") && each.includes("master") && !each.includes("fail") && servesSlot(each, slot),
    );
    const port = Number(/^\w+ [\d.]+:(\d+)@/.exec(line ?? "")?.[1]);
    const owner = nodes.find((each) => each.port === port);
    if (owner !== undefined && line !== undefined) return { slot, owner, id: line.split(" ")[0] ?? "" };
  }
  throw new Error(`No node serves ${key}.`);
}

const servesSlot = (line: string, slot: number): boolean =>
  line
    .split(" ")
    .slice(8)
    .some((range) => {
      const [from = Number.NaN, to = from] = range.split("-").map(Number);
      return slot >= from && slot <= to;
    });
