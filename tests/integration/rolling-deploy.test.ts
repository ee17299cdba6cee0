/** Promise: workers are replaced one by one, by releases that write a newer minor of the protocol, and no run notices. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { Queue } from "bullmq";
import { expect, onTestFinished, test } from "vitest";
import { jobDataSchema, PROTOCOL_MINOR } from "../../src/protocol/job.ts";
import { connectRedis } from "../../src/redis/connection.ts";
import { bullPrefix, bullQueueName } from "../../src/redis/keys.ts";
import { setup, usualReply } from "../support/process-bundle.ts";
import type { WorkerProcess } from "../support/processes.ts";
import { needs } from "../support/redis.ts";

const FLEET = fileURLToPath(new URL("../support/fleets/deploy-fleet.ts", import.meta.url));
const PRELOAD = pathToFileURL(fileURLToPath(new URL("../support/newer-minor.ts", import.meta.url))).href;
const SWAPS = 5;
const RUNS_PER_SWAP = 30;
const CALLS_PER_RUN = 4;
const EFFECTS_PER_RUN = 2;
/** Few slots, so that there is a backlog while a worker starts. */
const SLOTS = 4;

type Bundle = Awaited<ReturnType<typeof setup>>;

/** The worker of one release: the first is this one, and each further one writes and accepts a newer minor. */
const deploy = (bundle: Bundle, release: number): Promise<WorkerProcess> =>
  bundle.worker({
    fleet: FLEET,
    args: ["--concurrency", String(SLOTS)],
    env: {
      DEPLOY_VERSION: `deploy-${release}`,
      ...(release === 0 ? {} : { DEPLOY_MINOR: String(PROTOCOL_MINOR + release), NODE_OPTIONS: `--import=${PRELOAD}` }),
    },
  });

/** The newest minor among the jobs that are in the fleet's queues now. */
function watchMinors(bundle: Bundle): () => Promise<number> {
  const connection = connectRedis({ url: bundle.env.REDIS_URL, role: "worker", name: "rolling-deploy-test" });
  const queues = ["default", "slow"].map(
    (queue) => new Queue(bullQueueName(queue), { connection, prefix: bullPrefix(bundle.prefix, 0), skipMetasUpdate: true }),
  );
  onTestFinished(async () => {
    await Promise.all(queues.map((queue) => queue.close()));
    connection.disconnect();
  });
  return async () => {
    const jobs = (await Promise.all(queues.map((queue) => queue.getJobs(["wait", "active", "delayed", "prioritized"])))).flat();
    // A job may end between its listing and its reading.
    return Math.max(-1, ...jobs.map((job) => jobDataSchema.safeParse(job?.data).data?.minor ?? -1));
  };
}

test("rolling deploy: five swaps to a newer protocol minor under load lose, fail and double nothing", {
  tags: ["processes", "redis", "real-redis", "slow"],
  timeout: 180_000,
}, async (context) => {
  needs(context, "real-redis");
  await using bundle = await setup(usualReply, { latencyMs: 200 });
  const newestMinor = watchMinors(bundle);
  const runs: Awaited<ReturnType<typeof bundle.producer.submit>>[] = [];
  const submit = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const key = `run-${runs.length}`;
      runs.push(await bundle.producer.submit("opener", key, { idempotencyKey: key }));
    }
  };

  let present = await deploy(bundle, 0);
  for (let swap = 1; swap <= SWAPS; swap += 1) {
    await submit(RUNS_PER_SWAP / 2);
    const next = await deploy(bundle, swap);
    await submit(RUNS_PER_SWAP / 2);
    // Side by side: the old one works, and meets jobs that only the new one understands.
    await Promise.all([present.logged("attempt.settled"), next.logged("attempt.settled")]);
    await expect.poll(newestMinor, { timeout: 20_000 }).toBe(PROTOCOL_MINOR + swap);
    expect(await present.kill("SIGTERM"), present.said.slice(-5).join("\n")).toBe(0);
    present = next;
  }

  const results = await Promise.all(runs.map((run) => run.result()));
  expect(results.map(({ status }) => status)).toEqual(runs.map(() => "completed"));
  const infos = await Promise.all(runs.map((run) => run.status()));
  expect(infos.filter(({ deaths, retries }) => deaths + retries > 0)).toEqual([]);
  // Counted outside the fleet: by the provider, and in the tools' own file.
  const expected = SWAPS * RUNS_PER_SWAP;
  expect(bundle.provider.served).toBe(expected * CALLS_PER_RUN);
  expect(bundle.effects()).toHaveLength(expected * EFFECTS_PER_RUN);
  expect(new Set(bundle.effects()).size).toBe(expected * EFFECTS_PER_RUN);
  expect(await present.kill("SIGTERM")).toBe(0);
});
