/** From a SIGKILL to the next attempt's model call: a process that dies on a living host, and a host that is lost with its supervisor. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createProducer } from "../../src/producer.ts";
import { type FakeCall, startFakeProvider } from "../../src/testing/fake-provider.ts";
import { quantile } from "./statistics.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const FLEET = fileURLToPath(new URL("./recovery-fleet.ts", import.meta.url));

export type LossOf = "process" | "host";

export async function measureRecovery(
  redisUrl: string,
  lossOf: LossOf,
  kills: number,
): Promise<{ readonly p50: number; readonly p95: number }> {
  const calls: Array<() => void> = [];
  let heard = Promise.withResolvers<FakeCall>();
  await using provider = await startFakeProvider({
    reply: async (call) => {
      heard.resolve(call);
      await new Promise<void>((resolve) => calls.push(resolve));
      return { text: "done" };
    },
  });
  const { env, prefix } = workerEnv(redisUrl, provider.url);
  const workers = [await startWorker(env), await startWorker(env)];
  await using producer = createProducer({ redis: redisUrl, prefix });
  const times: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    heard = Promise.withResolvers();
    const run = await producer.submit("a", "go");
    await heard.promise;
    const pid = pidOf((await run.status()).worker);
    heard = Promise.withResolvers();
    const killedAt = performance.now();
    const parent = parentOf(pid);
    if (lossOf === "host" && workers.some((worker) => worker.pid === parent)) process.kill(parent, "SIGKILL");
    process.kill(pid, "SIGKILL");
    await heard.promise;
    times.push(performance.now() - killedAt);
    for (const answer of calls.splice(0)) answer();
    await run.result();
    const hit = workers.findIndex((worker) => worker.pid === parent || worker.pid === pid);
    // A supervisor waits longer before each restart and ends after too many: each kill meets one that has seen none.
    if (lossOf === "process") workers[hit]?.kill("SIGTERM");
    workers.splice(hit, 1, await startWorker(env));
  }
  for (const worker of workers) {
    worker.kill("SIGTERM");
    await once(worker, "exit");
  }
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95) };
}

/** What a worker process of a measurement is given: nothing of this machine's settings, and a prefix of its own. */
export function workerEnv(redisUrl: string, providerUrl: string): { readonly env: NodeJS.ProcessEnv; readonly prefix: string } {
  const prefix = `b${randomUUID().slice(0, 8)}`;
  const model = { OPENAI_API_KEY: "bench", OPENAI_BASE_URL: providerUrl };
  return { prefix, env: { PATH: process.env["PATH"], REDIS_URL: redisUrl, FLOTILLA_PREFIX: prefix, FLOTILLA_LOG_LEVEL: "info", ...model } };
}

export async function startWorker(env: NodeJS.ProcessEnv, fleet = FLEET): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [MAIN, "worker", "--fleet", fleet], { env, stdio: ["ignore", "ignore", "pipe"] });
  if (worker.stderr === null) throw new Error("The worker has no stderr.");
  const lines = createInterface({ input: worker.stderr });
  await new Promise<void>((resolve, reject) => {
    lines.on("line", (line) => line.includes("worker.started") && resolve());
    worker.once("exit", (code) => reject(new Error(`The worker ended with ${code} before it took work.`)));
  });
  return worker;
}

/** A worker's id is `<host>-<pid>-<start>`. */
function pidOf(workerId: string | undefined): number {
  const pid = Number(workerId?.split("-").at(-2));
  if (!Number.isInteger(pid)) throw new Error(`Expected a worker id with a pid; got ${workerId}.`);
  return pid;
}

const parentOf = (pid: number): number => Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
