/** Promise: `docker compose up --scale worker=3` is a fleet; its worker containers share the work, and one may be killed or added any time. */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { getContainerRuntimeClient, ImageName } from "testcontainers";
import { expect, inject, type TestContext, test } from "vitest";
import { z } from "zod";
import { composeCommand } from "../support/compose.ts";
import { needs } from "../support/redis.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

/** What tools/submit-tickets.ts says at its end. */
const talliesSchema = z.object({ tickets: z.int(), completed: z.int(), turnsPerHost: z.record(z.string(), z.int()) });
type Tallies = z.infer<typeof talliesSchema>;

type Producer = ChildProcessByStdio<null, Readable, Readable>;

const HOW = { tags: ["container", "slow"], timeout: 180_000 };

test("worker containers share the mail, one is killed in the middle, and more join", HOW, async (context) => {
  needs(context, "container");
  await using fleet = await composeUp(context, 3);
  const hosts = (await fleet.workers()).map((id) => id.slice(0, 12));
  expect(hosts).toHaveLength(3);

  const all = await fleet.submit();
  expect(all.completed).toBe(all.tickets);
  expect(Object.keys(all.turnsPerHost).toSorted()).toEqual(hosts.toSorted());

  const [victim = ""] = await fleet.workers();
  const despiteKill = await fleet.submit({ whenSomeAreDone: () => run("docker", ["kill", victim]) });
  expect(despiteKill.completed).toBe(despiteKill.tickets);

  await fleet.compose("up", "-d", "--no-recreate", "--scale", "worker=4");
  expect(await fleet.workers()).toHaveLength(4);
  expect((await fleet.submit({ howMany: 12 })).completed).toBe(12);
});

interface SubmitOptions {
  readonly howMany?: number;
  readonly whenSomeAreDone?: () => Promise<unknown>;
}

interface ComposeFleet extends AsyncDisposable {
  compose(...args: readonly string[]): Promise<string>;
  /** The ids of the worker containers. */
  workers(): Promise<string[]>;
  /** Runs the producer to its end. */
  submit(options?: SubmitOptions): Promise<Tallies>;
}

/** Builds and starts the compose file as a project of its own; skips the test, with the reason, where that needs a download. */
async function composeUp(context: Pick<TestContext, "skip">, workers: number): Promise<ComposeFleet> {
  const command = await composeCommand();
  if (command === undefined) return context.skip("needs `docker compose` or docker-compose; neither is on this machine");
  const nodeImage = process.env["NODE_IMAGE"] ?? (await defaultNodeImage());
  if (!(await hasImage(nodeImage))) return context.skip(`needs the image ${nodeImage}, which is not on this machine`);

  const [program = "", ...first] = command;
  const env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: `flotilla-test-${process.pid}`,
    NODE_IMAGE: nodeImage,
    REDIS_IMAGE: inject("redisImage"),
    // A developer's own key is not for this.
    OPENAI_API_KEY: "",
    OPENAI_BASE_URL: "",
  };
  const compose = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run(program, [...first, ...args], { cwd: root, env });
    return stdout;
  };
  const fleet: ComposeFleet = {
    compose,
    workers: async () => (await compose("ps", "-q", "worker")).split("\n").filter((line) => line !== ""),
    submit: ({ howMany, whenSomeAreDone } = {}) => {
      const args = howMany === undefined ? [] : ["node", "tools/submit-tickets.ts", String(howMany)];
      const producer = spawn(program, [...first, "run", "--rm", "-T", "producer", ...args], {
        cwd: root,
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      return talliesOf(producer, whenSomeAreDone);
    },
    [Symbol.asyncDispose]: async () => {
      await compose("--profile", "producer", "down", "--volumes", "--rmi", "local", "--timeout", "5");
    },
  };
  try {
    await compose("--profile", "producer", "build");
    await compose("up", "-d", "--scale", `worker=${workers}`);
    return fleet;
  } catch (error) {
    await fleet[Symbol.asyncDispose]();
    throw error;
  }
}

/** The producer's last line. Rejects with what it said when there is none. */
async function talliesOf(producer: Producer, whenSomeAreDone?: () => Promise<unknown>): Promise<Tallies> {
  const said: string[] = [];
  let result = "";
  let meanwhile: Promise<unknown> | undefined;
  createInterface({ input: producer.stdout }).on("line", (line) => (result = line));
  createInterface({ input: producer.stderr }).on("line", (line) => {
    said.push(line);
    if (/^\d+ completed$/.test(line)) meanwhile ??= whenSomeAreDone?.();
  });
  await once(producer, "close");
  await meanwhile;
  if (whenSomeAreDone !== undefined && meanwhile === undefined) throw new Error(`The producer told no progress:\n${said.join("\n")}`);
  if (!result.startsWith("{")) throw new Error(`The producer ended without a result:\n${said.join("\n")}`);
  return talliesSchema.parse(JSON.parse(result));
}

async function defaultNodeImage(): Promise<string> {
  const [, image = ""] = /^ARG NODE_IMAGE=(.+)$/m.exec(await readFile(join(root, "Dockerfile"), "utf8")) ?? [];
  return image;
}

async function hasImage(name: string): Promise<boolean> {
  const client = await getContainerRuntimeClient();
  return client.image.exists(ImageName.fromString(name));
}
