/** Promise: a worker's process that dies costs its runs no wait for a lease, and its supervisor brings it back. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { RunEvent } from "../../src/protocol/events.ts";
import { createGate, setup, usualReply } from "../support/process-bundle.ts";
import { createProducer } from "../../src/producer.ts";
import { PROMISE_FLEET, STALL_FLEET, type WorkerProcess } from "../support/processes.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/** A lease that was just renewed lasts 6 s, and one that is due for renewal 4.3 s: a new attempt within this has not waited for it. */
const WITHOUT_LEASE_MS = 4_000;

const childPid = async (worker: WorkerProcess): Promise<number> => Number((await worker.logged("child.started"))["pid"]);

/** A fleet of which the closer's first model call can be held. */
async function held() {
  const gate = createGate();
  let isHeld = false;
  const bundle = await setup(async (call) => {
    if (call.model === "closer-model" && !isHeld) {
      isHeld = true;
      await gate.wait();
    }
    return usualReply(call);
  });
  return { gate, bundle };
}

const eventsOf = async (run: { events(): AsyncIterable<{ readonly type: string }> }): Promise<RunEvent[]> => {
  const found: RunEvent[] = [];
  // Durable events are RunEvents; live text is left out.
  for await (const event of run.events()) if (event.type.includes("attempt.")) found.push(event as RunEvent);
  return found;
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("supervisor", { tags: ["processes", "redis", "slow"] }, () => {
  test("I3 I8: a run whose process was SIGKILLed goes on at once on another worker, without the lease", async () => {
    const { gate, bundle } = await held();
    await using _ = bundle;
    const first = await bundle.worker();
    const run = await bundle.producer.submit("opener", "hello");
    await gate.reached;
    const second = await bundle.worker();
    const killedAtMs = systemClock.nowMs();
    process.kill(await childPid(first), "SIGKILL");
    gate.open();
    expect(await run.result()).toMatchObject({ status: "completed", agent: "closer" });
    const events = await eventsOf(run);
    const lost = events.findIndex(({ type }) => type === "attempt.lost");
    const [next] = events.slice(lost + 1);
    expect(events[lost]).toMatchObject({ type: "attempt.lost", deaths: 1 });
    expect(next).toMatchObject({ type: "attempt.started", worker: (await second.logged("worker.started"))["workerId"] });
    expect((next?.atMs ?? 0) - killedAtMs).toBeLessThan(WITHOUT_LEASE_MS);
    expect(await first.logged("runs.taken-back")).toMatchObject({ held: 1, runnable: 1 });
    // The one call in flight is the only one made twice, and no effect is.
    expect(bundle.provider.calls).toHaveLength(5);
    expect(new Set(bundle.effects()).size).toBe(2);
    expect(bundle.effects()).toHaveLength(2);
  });

  test("I2: a process whose main loop hangs ends itself, and its run goes on in the next one", async () => {
    await using bundle = await setup((call) =>
      call.toolResults.length === 0 ? { toolCalls: [{ name: "hang", arguments: {} }] } : { text: "done" },
    );
    const worker = await bundle.worker({ fleet: STALL_FLEET });
    await using producer = createProducer({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
    const run = await producer.submit("hanging", "hello");
    expect(await run.result()).toMatchObject({ status: "completed", output: "done" });
    expect(await worker.logged("process.stalled")).toMatchObject({ stalledMs: expect.any(Number) });
    const pids = bundle.effects().map((line) => line.split(" ")[1]);
    expect(new Set(pids).size).toBe(2);
    // The model's first answer was journaled before the tool hung: it is not paid again.
    expect(bundle.provider.served).toBe(2);
  });

  test("I3: a lone worker whose process was SIGKILLed is started again and finishes its run itself", async () => {
    const { gate, bundle } = await held();
    await using _ = bundle;
    const worker = await bundle.worker();
    const run = await bundle.producer.submit("opener", "hello");
    await gate.reached;
    const killed = await childPid(worker);
    process.kill(killed, "SIGKILL");
    gate.open();
    expect(await run.result()).toMatchObject({ status: "completed" });
    expect(await worker.logged("child.crashed")).toMatchObject({ pid: killed, how: "SIGKILL", held: 1, pauseMs: 1_000 });
    const workers = await bundle.producer.store.workers();
    expect(workers.map(({ pid }) => pid)).not.toContain(killed);
    expect(workers).toHaveLength(1);
    expect(await worker.kill("SIGTERM")).toBe(0);
  });

  test("I4: a worker whose supervisor was SIGKILLed finishes the call in flight, releases its run unharmed and ends", async () => {
    const { gate, bundle } = await held();
    await using _ = bundle;
    const worker = await bundle.worker();
    const run = await bundle.producer.submit("opener", "hello");
    await gate.reached;
    const child = await childPid(worker);
    process.kill(worker.pid, "SIGKILL");
    await expect.poll(() => worker.said.join("\n")).toContain("the parent process ended: taking no more");
    gate.open();
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false);
    expect(await run.status()).toMatchObject({ status: "queued", deaths: 0 });
    await bundle.worker();
    expect(await run.result()).toMatchObject({ status: "completed" });
    expect(bundle.provider.calls).toHaveLength(4);
  });

  test("I4: a SIGTERM to supervisor and process alike, as systemd sends it, is one gentle stop", async () => {
    const { gate, bundle } = await held();
    await using _ = bundle;
    const worker = await bundle.worker();
    const run = await bundle.producer.submit("opener", "hello");
    await gate.reached;
    process.kill(await childPid(worker), "SIGTERM");
    const ended = worker.kill("SIGTERM");
    await expect.poll(() => worker.said.join("\n")).toContain("taking no more");
    gate.open();
    expect(await ended).toBe(0);
    expect(await run.status()).toMatchObject({ status: "queued", deaths: 0 });
    await bundle.worker();
    expect(await run.result()).toMatchObject({ status: "completed" });
    expect(bundle.provider.calls).toHaveLength(4);
  });

  test("a second SIGTERM releases at once, while the model call is still in flight", async () => {
    const { gate, bundle } = await held();
    await using _ = bundle;
    const worker = await bundle.worker();
    const run = await bundle.producer.submit("opener", "hello");
    await gate.reached;
    void worker.kill("SIGTERM");
    await expect.poll(() => worker.said.join("\n")).toContain("taking no more");
    expect(await worker.kill("SIGTERM")).toBe(0);
    expect(await run.status()).toMatchObject({ status: "queued", deaths: 0 });
    gate.open();
  });

  test("--no-supervise works in the process that was started", async () => {
    await using bundle = await setup();
    const worker = await bundle.worker({ args: ["--no-supervise"] });
    const run = await bundle.producer.submit("opener", "hello");
    expect(await run.result()).toMatchObject({ status: "completed" });
    expect(String((await worker.logged("worker.started"))["workerId"])).toContain(`-${worker.pid}-`);
    expect(worker.said.join("\n")).not.toContain("child.started");
    expect(await worker.kill("SIGTERM")).toBe(0);
  });

  test("the supervisor loads neither the Agents SDK nor the fleet file, and its child does", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "flotilla-preload-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const preload = path.join(folder, "tell-loads.mjs");
    writeFileSync(
      preload,
      `import { registerHooks } from "node:module";
       const told = new Set();
       registerHooks({ load(url, context, next) {
         const what = url.includes("@openai/agents") ? "sdk" : url.includes("promise-fleet") ? "fleet" : "other";
         if (!told.has(what)) process.stderr.write(what + " loaded by " + process.pid + "\\n");
         told.add(what);
         return next(url, context);
       } });`,
    );
    await using bundle = await setup();
    const worker = await bundle.worker({ env: { NODE_OPTIONS: `--import=${preload}` } });
    const child = await childPid(worker);
    const loaded = worker.said.filter((line) => / loaded by \d+$/.test(line));
    expect(new Set(loaded)).toEqual(
      new Set([`other loaded by ${worker.pid}`, `other loaded by ${child}`, `sdk loaded by ${child}`, `fleet loaded by ${child}`]),
    );
  });
});

describe("a start-up that is refused", { tags: ["processes", "redis", "slow"] }, () => {
  const refused = async (more: Record<string, string>, fleet = PROMISE_FLEET) => {
    const env = { PATH: process.env["PATH"], REDIS_URL: inject("redisUrl"), OPENAI_API_KEY: "k", ...more };
    const child = spawn(process.execPath, [MAIN, "worker", "--fleet", fleet], { env, stdio: ["ignore", "ignore", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let said = "";
    child.stderr.on("data", (data) => (said += String(data)));
    const [code] = await once(child, "close");
    return { code, said };
  };

  test.each([
    ["no key", { OPENAI_API_KEY: "" }, "MODEL_KEY_MISSING", 2],
    ["no Redis", { REDIS_URL: "redis://127.0.0.1:1" }, "BACKEND_UNREACHABLE", 4],
  ])("with %s, is told once, is not tried again, and its exit code passes through", async (_why, env, code, exitCode) => {
    const ended = await refused(env);
    expect(ended.code, ended.said).toBe(exitCode);
    expect(ended.said.split(code)).toHaveLength(2);
    expect(ended.said.split("child.started")).toHaveLength(2);
  });

  test("by a fleet file that throws, is told once, is not tried again, and its exit code passes through", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "flotilla-bad-fleet-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, "fleet.ts");
    writeFileSync(file, `throw new Error("not today");`);
    const ended = await refused({}, file);
    expect(ended.code, ended.said).toBe(2);
    expect(ended.said.split("FLEET_FILE_INVALID")).toHaveLength(2);
    expect(ended.said.split("child.started")).toHaveLength(2);
  });
});
