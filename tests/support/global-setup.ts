/**
 * Starts the Redis of the integration tests once for all files and says in one line which it is.
 * TEST_REDIS chooses: container, local (redis-server on PATH), javascript, or auto (the default: the first of these that is there).
 */
import type { TestProject } from "vitest/node";
import { provisionRedis } from "../../src/redis/provision.ts";
import type { TestRedisKind } from "./redis.ts";

const DEFAULT_IMAGE = "redis:8.2.1-alpine";
const CHOICES = ["container", "local", "javascript", "auto"];

interface TestRedis {
  readonly url: string;
  readonly kind: TestRedisKind;
  readonly describe: string;
  stop(): Promise<void>;
}

let running: TestRedis | undefined;

export async function setup(project: TestProject): Promise<void> {
  const choice = process.env["TEST_REDIS"] ?? "auto";
  if (!CHOICES.includes(choice)) throw new Error(`TEST_REDIS is ${choice}; expected one of ${CHOICES.join(", ")}.`);
  const image = process.env["REDIS_IMAGE"] ?? DEFAULT_IMAGE;
  const obstacle = choice === "auto" || choice === "container" ? await containerObstacle(image) : `TEST_REDIS is ${choice}`;
  running = await start(choice, image, obstacle);
  const note = choice === "auto" && obstacle !== undefined ? ` (no container: ${obstacle})` : "";
  console.log(`Redis of the integration tests: ${running.describe}${note}`);
  project.provide("redisUrl", running.url);
  project.provide("redisKind", running.kind);
  project.provide("redisImage", obstacle === undefined ? image : "");
  project.provide("noContainerBecause", obstacle ?? "");
}

export async function teardown(): Promise<void> {
  await running?.stop();
  running = undefined;
}

function start(choice: string, image: string, obstacle: string | undefined): Promise<TestRedis> {
  if (obstacle === undefined) return startContainer(image);
  if (choice === "container") throw new Error(`TEST_REDIS is container, but ${obstacle}.`);
  return startHere(choice);
}

/** Why no container of `image` can be started without fetching it; undefined when one can. */
async function containerObstacle(image: string): Promise<string | undefined> {
  // The clean-up container (Ryuk) is an image of its own, which a machine behind a mirror does not have; teardown stops what was started.
  process.env["TESTCONTAINERS_RYUK_DISABLED"] ??= "true";
  const { getContainerRuntimeClient, ImageName } = await import("testcontainers");
  try {
    const client = await getContainerRuntimeClient();
    return (await client.image.exists(ImageName.fromString(image))) ? undefined : `the image ${image} is not on this machine`;
  } catch {
    return "Docker does not answer";
  }
}

async function startContainer(image: string): Promise<TestRedis> {
  const { RedisContainer } = await import("@testcontainers/redis");
  const container = await new RedisContainer(image).start();
  const stop = async (): Promise<void> => {
    await container.stop();
  };
  return { url: container.getConnectionUrl(), kind: "container", describe: `container of ${image}`, stop };
}

async function startHere(choice: string): Promise<TestRedis> {
  const path = choice === "javascript" ? "" : process.env["PATH"];
  const redis = await provisionRedis({ env: { PATH: path }, allowJavaScript: choice !== "local", log: () => undefined });
  const kind = redis.kind === "javascript" ? "javascript" : "local";
  return { url: redis.url, kind, describe: redis.describe, stop: async () => redis[Symbol.asyncDispose]() };
}
