/** Promise: whoever has redis-server installed needs no configuration, and nothing of it outlives its users. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectRedis } from "../../src/redis/connection.ts";
import { provisionRedis } from "../../src/redis/provision.ts";
import type { ProvisionedRedis } from "../../src/redis/provision.ts";
import { checkRedis } from "../../src/redis/start-up-checks.ts";

const hasServer = [
  "/usr/bin/redis-server",
  "/usr/local/bin/redis-server",
  "/usr/bin/valkey-server",
  "/opt/homebrew/bin/valkey-server",
].some(existsSync);
const childFile = fileURLToPath(new URL("../support/provision-child.ts", import.meta.url));
const socketOf = (url: string): string => url.slice("redis+unix://".length);

interface Child {
  readonly process: ChildProcess;
  readonly url: string;
  readonly describe: string;
}

describe("redis by itself", { tags: ["processes", "real-redis"] }, () => {
  let dir = "";
  let children: ChildProcess[] = [];

  beforeEach(async (context) => {
    if (!hasServer) context.skip("needs redis-server or valkey-server installed on this machine");
    dir = await mkdtemp(join(tmpdir(), "flotilla-project-"));
    children = [];
  });
  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    // A server that is ending may still write.
    await rm(dir, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
  });

  test("a second command of the project finds the first one's server, and it ends with the last of them", async () => {
    const first = await startChild();
    const second = await startChild();
    expect(second.url).toBe(first.url);
    expect(second.describe).toContain("running");
    await endChild(first);
    const redis = new Redis({ path: socketOf(second.url) });
    expect(await redis.ping()).toBe("PONG");
    redis.disconnect();
    const gone = whenGone(dirname(socketOf(second.url)));
    await endChild(second);
    await gone;
  });

  test("it ends when its only user is killed with SIGKILL", async () => {
    const child = await startChild();
    const gone = whenGone(dirname(socketOf(child.url)));
    child.process.kill("SIGKILL");
    await gone;
  });

  test("commands that start at the same moment share one server", async () => {
    const all = await Promise.all([startChild(), startChild(), startChild()]);
    expect(new Set(all.map((child) => child.url)).size).toBe(1);
  });

  test("what was written is there for the next command", async () => {
    await using first = await provision();
    const writer = new Redis({ path: socketOf(first.url) });
    await writer.set("kept", "yes");
    writer.disconnect();
    await first[Symbol.asyncDispose]();
    await using second = await provision();
    const reader = new Redis({ path: socketOf(second.url) });
    expect(await reader.get("kept")).toBe("yes");
    reader.disconnect();
  });

  test("what a killed starter left behind does not stop the next command", async () => {
    const child = await startChild();
    const state = join(dir, ".flotilla", "redis", "server.json");
    const { pid } = JSON.parse(await readFile(state, "utf8"));
    process.kill(pid, "SIGKILL");
    child.process.kill("SIGKILL");
    await once(child.process, "exit");
    // It may come just in time to take the old server over, or have to start a new one: both are right.
    await using next = await provision();
    const redis = new Redis({ path: socketOf(next.url) });
    expect(await redis.ping()).toBe("PONG");
    redis.disconnect();
    await rm(dirname(socketOf(child.url)), { recursive: true, force: true });
  });

  test("the private server passes its own start-up checks", async () => {
    await using server = await provision();
    const redis = new Redis({ path: socketOf(server.url) });
    expect((await checkRedis(redis)).evictionPolicy).toBe("noeviction");
    redis.disconnect();
  });

  test("a server of one process leaves no file and no folder", async () => {
    const server = await provisionRedis({ env: process.env, allowJavaScript: false, log: () => undefined });
    const folder = dirname(socketOf(server.url));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    await server[Symbol.asyncDispose]();
    expect(existsSync(folder)).toBe(false);
    expect(await readdir(dir)).toEqual([]);
  });

  const provision = (): Promise<ProvisionedRedis> =>
    provisionRedis({ env: process.env, allowJavaScript: false, dir, log: () => undefined });

  async function startChild(): Promise<Child> {
    const child = spawn(process.execPath, [childFile, dir], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    for await (const line of createInterface({ input: child.stdout })) return { process: child, ...JSON.parse(line) };
    throw new Error("The child ended without an address.");
  }

  async function endChild(child: Child): Promise<void> {
    const ended = once(child.process, "exit");
    child.process.stdin?.end();
    await ended;
  }

  /** Waits for the file system's word, not for a time to pass. */
  function whenGone(folder: string): Promise<void> {
    return new Promise((resolve) => {
      const watcher = watch(dirname(folder), () => {
        if (existsSync(folder)) return;
        watcher.close();
        resolve();
      });
    });
  }
});

test("the JavaScript server is used only where it is allowed, says so, and is there for other processes", { tags: ["redis"] }, async () => {
  const said: string[] = [];
  await using server = await provisionRedis({ env: { PATH: "" }, allowJavaScript: true, log: (line) => said.push(line) });
  expect(server).toMatchObject({ kind: "javascript", shared: false });
  expect(said).toHaveLength(1);
  const redis = new Redis(server.url);
  expect(await checkRedis(redis)).toMatchObject({ notes: [] });
  redis.disconnect();
});

test("a Redis that is down is told at once, with its address, also by a client that would retry for ever", {
  tags: ["redis"],
}, async () => {
  // Port 1 is reserved and nobody's: the refusal is immediate.
  const redis = connectRedis({ url: "redis://127.0.0.1:1", role: "worker" });
  const error = await checkRedis(redis).catch((caught: unknown) => caught);
  redis.disconnect();
  expect(error).toMatchObject({ code: "BACKEND_UNREACHABLE", at: "127.0.0.1:1", message: expect.stringContaining("ECONNREFUSED") });
});
