/** A cancel reaches what runs in another process: the run ends as cancelled, and nothing more is asked, paid or done for it. */
import { fileURLToPath } from "node:url";
import { inject, expect, test } from "vitest";
import { createProducer } from "../../src/producer.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { keysFor } from "../../src/redis/keys.ts";
import type { FakeRule } from "../../src/testing/fake-provider.ts";
import { setup } from "../support/process-bundle.ts";

const STOP_FLEET = fileURLToPath(new URL("../support/fleets/stop-fleet.ts", import.meta.url));
const inWorkerProcess = { tags: ["processes"] };

/** Processes with the stopping fleet, and a producer that takes any agent's name. */
async function setupStopping(rule: FakeRule) {
  const bundle = await setup(rule);
  const producer = createProducer({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  return {
    ...bundle,
    producer,
    worker: (args: readonly string[] = []) => bundle.worker({ fleet: STOP_FLEET, args }),
    async [Symbol.asyncDispose]() {
      await producer.close();
      await bundle[Symbol.asyncDispose]();
    },
  };
}

/** A provider whose calls are held until their caller hangs up. */
function holding() {
  const asked = Promise.withResolvers<void>();
  const hungUp = Promise.withResolvers<void>();
  const rule: FakeRule = (call, gone) => {
    gone.addEventListener("abort", () => hungUp.resolve(), { once: true });
    asked.resolve();
    return call.stream ? { text: "one piece after the other ".repeat(1_000), chunkDelayMs: 20 } : { hang: true };
  };
  return { rule, asked: asked.promise, hungUp: hungUp.promise };
}

test.each(["streamed", "whole"])(
  "I8: a cancel aborts the %s model call of another process, and no further one is made",
  inWorkerProcess,
  async (agent) => {
    const { rule, asked, hungUp } = holding();
    await using bundle = await setupStopping(rule);
    await bundle.worker();
    const run = await bundle.producer.submit(agent, "go");
    await asked;
    expect(await run.cancel()).toEqual({ status: "requested" });
    await hungUp;
    expect(await run.result()).toMatchObject({ status: "cancelled" });
    expect(bundle.provider.calls).toHaveLength(1);
    expect(bundle.provider.served).toBe(0);
  },
);

test.each(["heedful", "stubborn"])("I8: a cancel ends a run in its %s tool and frees the slot", inWorkerProcess, async (tool) => {
  await using bundle = await setupStopping(({ lastUserText }) =>
    lastUserText === "act" ? { toolCalls: [{ name: tool, arguments: {} }] } : { text: "fine" },
  );
  const worker = await bundle.worker(["--concurrency", "1"]);
  const run = await bundle.producer.submit("acting", "act");
  for await (const event of run.events()) if (event.type === "tool.started") break;
  await run.cancel();
  expect(await run.result()).toMatchObject({ status: "cancelled" });
  // The only slot of the only worker.
  const next = await bundle.producer.submit("acting", "say");
  expect(await next.result()).toMatchObject({ status: "completed", output: "fine" });
  expect(bundle.provider.calls).toHaveLength(2);
  expect(worker.said.some((line) => line.includes("attempt.stuck"))).toBe(tool === "stubborn");
});

test("I8: a cancel whose message was lost is heard with the next heartbeat", inWorkerProcess, async () => {
  const { rule, asked, hungUp } = holding();
  await using bundle = await setupStopping(rule);
  await bundle.worker();
  const run = await bundle.producer.submit("whole", "go");
  await asked;
  const redis = connectRedis({ url: inject("redisUrl"), role: "producer", name: "test" });
  // What cancel.lua writes, without what it publishes.
  await redis.hset(keysFor(bundle.prefix).run(run.id), "cancelRequested", "cancelled");
  redis.disconnect();
  await hungUp;
  expect(await run.result()).toMatchObject({ status: "cancelled" });
  expect(bundle.provider.calls).toHaveLength(1);
});
