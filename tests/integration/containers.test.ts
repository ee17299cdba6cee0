/** Promise: the tests really run against containers where Docker and an image are there, and say so where they are not. */
import { RedisContainer } from "@testcontainers/redis";
import { Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";
import { expect, inject, test } from "vitest";
import { checkRedis } from "../../src/redis/start-up-checks.ts";
import { needs } from "../support/redis.ts";

test("BullMQ works on a container of its own", { tags: ["container", "redis", "slow"] }, async (context) => {
  needs(context, "container");
  const container = await new RedisContainer(inject("redisImage")).start();
  const connection = new Redis(container.getConnectionUrl(), { maxRetriesPerRequest: null });
  const eventsConnection = connection.duplicate();
  const workerConnection = connection.duplicate();
  const queue = new Queue("squares", { connection });
  const events = new QueueEvents("squares", { connection: eventsConnection });
  const worker = new Worker("squares", (job) => Promise.resolve(Number(job.data.number) ** 2), { connection: workerConnection });
  try {
    expect((await checkRedis(connection)).evictionPolicy).toBe("noeviction");
    await events.waitUntilReady();
    const job = await queue.add("square", { number: 12 });
    expect(await job.waitUntilFinished(events, 20_000)).toBe(144);
  } finally {
    // Clients first: ioredis reports a server that goes away under it.
    await Promise.all([worker.close(), events.close(), queue.close()]);
    for (const client of [connection, eventsConnection, workerConnection]) client.disconnect();
    await container.stop();
  }
});

test("the run's own Redis is the kind it says", { tags: ["redis"] }, () => {
  const kind = inject("redisKind");
  expect(["container", "local", "javascript"]).toContain(kind);
  if (kind === "container") expect(inject("redisImage")).not.toBe("");
});
