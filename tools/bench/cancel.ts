/** From a cancel in one process to the end of the request that another process makes for the run: of its model, streamed or not, or of its tool. */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createProducer } from "../../src/producer.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { startWorker, workerEnv } from "./recovery.ts";
import { quantile } from "./statistics.ts";

const FLEET = fileURLToPath(new URL("./cancel-fleet.ts", import.meta.url));

/** @param rounds cancels of each of the three kinds */
export async function measureCancel(redisUrl: string, rounds: number): Promise<{ readonly p50: number; readonly p95: number }> {
  let asked = Promise.withResolvers<AbortSignal>();
  await using provider = await startFakeProvider({
    reply: (call, gone) => {
      if (call.model === "acting") return { toolCalls: [{ name: "ask", arguments: {} }] };
      asked.resolve(gone);
      return call.stream ? { text: "one piece after the other ".repeat(10_000), chunkDelayMs: 20 } : { hang: true };
    },
  });
  const { env, prefix } = workerEnv(redisUrl, provider.url);
  const worker = await startWorker(env, FLEET);
  await using producer = createProducer({ redis: redisUrl, prefix });
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const agent of ["streamed", "whole", "acting"]) {
      asked = Promise.withResolvers();
      const run = await producer.submit(agent, "go");
      const gone = await asked.promise;
      const ended = once(gone, "abort");
      const cancelledAt = performance.now();
      await run.cancel();
      await ended;
      times.push(performance.now() - cancelledAt);
      await run.result();
    }
  }
  worker.kill("SIGTERM");
  await once(worker, "exit");
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95) };
}
