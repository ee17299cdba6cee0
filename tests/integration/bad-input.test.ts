/** Promise: what is wrong is told once, with its code, its place and a next step, the right exit code, and nothing half done. */
import { Agent } from "@openai/agents";
import { beforeEach, describe, expect, inject, onTestFinished, test } from "vitest";
import { LIMITS } from "../../src/protocol/limits.ts";
import { createProducer, type Producer } from "../../src/producer.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { needs } from "../support/redis.ts";
import { openServerRoom } from "../support/redis-servers.ts";
import { newPrefix } from "../support/redis-store.ts";
import { type CommandLine, commandLine, type Ended, refusalOf } from "../unit/cli/cli-process.ts";

const NOBODY = "redis://127.0.0.1:1";
/** A text in Latin-1: no UTF-8. */
const NO_TEXT = Uint8Array.of(0x63, 0x61, 0x66, 0xe9);
const UNUSED_RUN = "r0-01jd3xk2v7w8y9z0a1b2c3d4e5";

/** A Redis on which one agent, `a`, was announced by a worker that is gone. */
async function announced(): Promise<CommandLine & { readonly producer: Producer }> {
  const bundle = await setupInProcess(() => ({ text: "hello" }));
  const worker = await bundle.fleet({ a: new Agent({ name: "a", model: "m" }) }).worker(bundle.workerOptions);
  await worker.close();
  const producer = createProducer({ redis: bundle.redisUrl, prefix: bundle.prefix });
  onTestFinished(async () => {
    await producer.close();
    await bundle[Symbol.asyncDispose]();
  });
  return { ...commandLine({ REDIS_URL: bundle.redisUrl, FLOTILLA_PREFIX: bundle.prefix }), producer };
}

const settings = (more: Record<string, string> = {}) => ({ REDIS_URL: inject("redisUrl"), FLOTILLA_PREFIX: newPrefix(), ...more });

function expectRefused(
  ended: Ended,
  exit: number,
  refusal: { readonly code: string; readonly at?: unknown; readonly message?: unknown },
): void {
  expect({ exit: ended.code, ...refusalOf(ended) }).toMatchObject({ exit, ...refusal });
}

describe("a wrong command line", { tags: ["processes"] }, () => {
  test.each([
    [["submit", "a", "x", "--bogus"], "USAGE", "flotilla submit"],
    [["submit", "a", "x", "--context", "{oops", "--json"], "USAGE", "--context"],
    [["submit", "a", "x", "--schema", "broken.json", "--json"], "USAGE", "--schema"],
    [["submit", "a", "-"], "USAGE", "input"],
    [["worker", "--concurrency", "0"], "USAGE", "--concurrency"],
    [["runs", "show", "r0-nope", "--json"], "INPUT_INVALID", "<run>"],
  ])("%j is refused before Redis is asked", async (args, code, at) => {
    const { run, file } = commandLine({ REDIS_URL: NOBODY });
    file("broken.json", "no json");
    expectRefused(await run(args), 2, { code, at });
  });

  test("bytes that are no text are refused, and no agent is given rubbish", async () => {
    const { run, file } = commandLine({ REDIS_URL: NOBODY });
    expectRefused(await run(["submit", "a", "-"], NO_TEXT), 2, { code: "USAGE", at: "standard input" });
    file("bytes.json", NO_TEXT);
    expectRefused(await run(["submit", "a", "x", "--schema", "bytes.json"]), 2, { code: "USAGE", at: "--schema" });
    expectRefused(await run(["eval", "bytes.json", "--agent", "a", "--grader", "exact"]), 2, { code: "USAGE", at: "<dataset>" });
  });

  test("a queue that no agent lives on is refused when the worker starts, which announces nothing", async () => {
    const env = settings({ OPENAI_API_KEY: "k" });
    const { run } = commandLine(env);
    expectRefused(await run(["worker", "--queues", "nowhere"]), 2, { code: "INPUT_INVALID", at: "queues" });
    await using producer = createProducer({ redis: env.REDIS_URL, prefix: env.FLOTILLA_PREFIX });
    expect(await producer.store.workers()).toEqual([]);
  });
});

describe("a wrong submit", { tags: ["redis", "processes"] }, () => {
  test("to an unknown agent names the known ones, and nothing is stored", async () => {
    const { run, producer } = await announced();
    expectRefused(await run(["submit", "aa", "x", "--json"]), 2, {
      code: "AGENT_UNKNOWN",
      at: "agent",
      message: expect.stringContaining("agents a;"),
    });
    const nobody = commandLine(settings());
    expectRefused(await nobody.run(["submit", "a", "x"]), 2, { code: "NO_WORKERS", at: "agent" });
    expect(await producer.list({ limit: 5 })).toEqual([]);
  });

  test("to an agent without a live worker is accepted, and it is said", async () => {
    const { run, start, producer } = await announced();
    const submitted = await run(["submit", "a", "x", "--json"]);
    expect(submitted).toMatchObject({ code: 0, talk: expect.stringContaining("No live worker has agent a") });
    const { runId } = JSON.parse(submitted.out);
    expect(await producer.run(runId).status()).toMatchObject({ status: "queued", liveWorker: false });
    expect(JSON.parse((await run(["runs", "show", runId, "--json"])).out)).toMatchObject({ run: { liveWorker: false } });

    const waiting = start(["submit", "a", "y", "--wait"]);
    await waiting.says("No live worker has agent a");
    await waiting.says("queued for a");
    waiting.process.kill("SIGINT");
    expect(await waiting.ended).toMatchObject({ code: 130, out: "" });
  });

  test("over a limit is refused with the limit, and nothing is stored", async () => {
    const { run, producer } = await announced();
    const input = "x".repeat(LIMITS.inputBytes);
    expectRefused(await run(["submit", "a", "-", "--json"], input), 2, {
      code: "INPUT_TOO_LARGE",
      at: "input",
      message: expect.stringContaining(String(LIMITS.inputBytes)),
    });
    const context = JSON.stringify({ text: "x".repeat(LIMITS.contextBytes) });
    expectRefused(await run(["submit", "a", "x", "--context", context]), 2, { code: "INPUT_TOO_LARGE", at: "context" });
    expect(await producer.list({ limit: 5 })).toEqual([]);
  });

  test.each<[string, () => Record<string, unknown>, string]>([
    ["a function", () => ({ user: { load: () => 1 } }), "context.user.load"],
    ["a Map", () => ({ seen: [new Map()] }), "context.seen[0]"],
    ["a bigint", () => ({ id: 1n }), "context.id"],
    ["a Date", () => ({ at: new Date(0) }), "context.at"],
    [
      "a cycle",
      () => {
        const loop: Record<string, unknown> = {};
        loop["self"] = loop;
        return { loop };
      },
      "context.loop.self",
    ],
  ])("with a context that holds %s is refused with its path, and nothing is stored", async (_what, context, at) => {
    const { producer } = await announced();
    const refused = producer.submit("a", "x", { context: context() });
    await expect(refused).rejects.toMatchObject({ code: "CONTEXT_NOT_SERIALISABLE", at, remedy: expect.stringContaining("plain") });
    expect(await producer.list({ limit: 5 })).toEqual([]);
  });

  test("with a used idempotency key and another input names the run that has it", async () => {
    const { run, producer } = await announced();
    const first = await run(["submit", "a", "x", "--key", "k1"]);
    const again = await run(["submit", "a", "x", "--key", "k1"]);
    expect(again).toMatchObject({ code: 0, out: first.out });
    const message = expect.stringContaining(first.out.trim());
    expectRefused(await run(["submit", "a", "y", "--key", "k1"]), 2, { code: "IDEMPOTENCY_CONFLICT", at: "idempotencyKey", message });
    expect(await producer.list({ limit: 5 })).toHaveLength(1);
  });

  test("to show, follow or end a run that does not exist is refused", async () => {
    const { run } = await announced();
    for (const args of [["show"], ["tail"], ["cancel", "--json"]])
      expectRefused(await run(["runs", args[0] ?? "", UNUSED_RUN, ...args.slice(1)]), 2, { code: "RUN_UNKNOWN", at: "runId" });
  });
});

describe("a wrong fleet file", { tags: ["redis", "processes"] }, () => {
  test.each([
    ["throws", 'const x = 1;\nthrow new Error("boom");\n', "boom", /wrong\.ts:2$/],
    ["cannot be parsed", "export const a = 1;\nexport const fleet = {;\n", "Unexpected token", /wrong\.ts:2$/],
    ["uses TypeScript that Node cannot strip", "enum A { x }\nexport const fleet = A;\n", "enum", /wrong\.ts:1$/],
    ["exports no fleet", "export const team = 1;\n", "it exports team", /wrong\.ts$/],
    ["needs a package that is not there", 'import "not-installed-anywhere";\n', "not-installed-anywhere", /wrong\.ts$/],
  ])("that %s stops the worker", async (_how, text, message, at) => {
    const { run, file } = commandLine(settings({ OPENAI_API_KEY: "k" }));
    file("wrong.ts", text);
    expectRefused(await run(["worker", "--fleet", "wrong.ts"]), 2, {
      code: "FLEET_FILE_INVALID",
      message: expect.stringContaining(message),
      at: expect.stringMatching(at),
    });
  });

  test("fails the doctor", async () => {
    const { run, file } = commandLine(settings({ OPENAI_API_KEY: "k" }));
    file("fleet.ts", "export const team = 1;\n");
    const { code, out } = await run(["doctor", "--json"]);
    expect(code).toBe(1);
    const findings = out
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(findings).toContainEqual(expect.objectContaining({ check: "fleet file", state: "bad", code: "FLEET_FILE_INVALID" }));
  });

  test("that is not there, or is a folder, stops the worker", async () => {
    const { run } = commandLine(settings());
    expectRefused(await run(["worker", "--fleet", "none.ts"]), 2, { code: "FLEET_FILE_INVALID", at: "--fleet" });
    expectRefused(await run(["worker", "--fleet", "."]), 2, { code: "FLEET_FILE_INVALID" });
  });

  test("whose models have no key stops the worker, which announces nothing", async () => {
    const env = settings();
    const { run } = commandLine(env);
    expectRefused(await run(["worker"]), 2, { code: "MODEL_KEY_MISSING", message: expect.stringContaining("no key") });
    const doctor = await commandLine({ ...env, OPENAI_BASE_URL: "http://127.0.0.1:1/v1" }).run(["doctor"]);
    expect(doctor).toMatchObject({ code: 0, out: expect.stringContaining("OPENAI_API_KEY is not set") });
    await using producer = createProducer({ redis: env.REDIS_URL, prefix: env.FLOTILLA_PREFIX });
    expect(await producer.store.workers()).toEqual([]);
  });

  test("with an agent that has no model stops the worker, and the agent is named", async () => {
    const bundle = await setupInProcess(() => ({ text: "hello" }));
    onTestFinished(() => bundle[Symbol.asyncDispose]());
    const fleet = bundle.fleet({ good: new Agent({ name: "good", model: "m" }), bare: new Agent({ name: "bare" }) });
    await expect(fleet.worker(bundle.workerOptions)).rejects.toMatchObject({
      code: "MODEL_KEY_MISSING",
      message: 'Agent "bare" has no model.',
      at: "agents.bare.model",
    });
  });
});

describe("a Redis that will not do", { tags: ["processes"] }, () => {
  test.each([[["worker"]], [["submit", "a", "x", "--json"]], [["runs", "ls", "--json"]], [["runs", "tail", UNUSED_RUN]], [["dev"]]])(
    "is told once by %j when nobody answers",
    async (args) => {
      const { run } = commandLine({ REDIS_URL: NOBODY, OPENAI_API_KEY: "k" });
      expectRefused(await run(args), 4, {
        code: "BACKEND_UNREACHABLE",
        at: "127.0.0.1:1",
        message: expect.stringContaining("ECONNREFUSED"),
      });
    },
  );

  test("is told by the doctor as data, with the exit code of Redis", async () => {
    const { code, out, talk } = await commandLine({ REDIS_URL: NOBODY }).run(["doctor", "--json"]);
    expect({ code, talk }).toEqual({ code: 4, talk: "" });
    const findings = out
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(findings).toContainEqual(expect.objectContaining({ check: "redis", state: "bad", code: "BACKEND_UNREACHABLE" }));
  });

  test("a REDIS_URL that is none is told once by the doctor", async () => {
    const { code, out } = await commandLine({ REDIS_URL: "localhost:6379" }).run(["doctor"]);
    expect(code).toBe(1);
    expect(out.match(/REDIS_URL:/g)).toHaveLength(1);
  });

  describe("on a server of one's own", { tags: ["real-redis"] }, () => {
    beforeEach((context) => needs(context, "real-redis"));

    test("may evict keys: no worker starts on it", async () => {
      await using room = openServerRoom();
      const { port } = await room.start("evicts", { settings: { "maxmemory-policy": "allkeys-lru" } });
      const { run } = commandLine({ REDIS_URL: `redis://127.0.0.1:${port}`, OPENAI_API_KEY: "k" });
      expectRefused(await run(["worker"]), 4, { code: "REDIS_EVICTS", message: expect.stringContaining("allkeys-lru") });
      expect(await run(["doctor"])).toMatchObject({ code: 4, out: expect.stringContaining("noeviction") });
    });

    test("wants a password: it is said what to do", async () => {
      await using room = openServerRoom();
      const { port } = await room.start("locked", { settings: { requirepass: "pw" } });
      const { run } = commandLine({ REDIS_URL: `redis://127.0.0.1:${port}` });
      expectRefused(await run(["submit", "a", "x"]), 4, { code: "BACKEND_UNREACHABLE", message: expect.stringContaining("password") });
    });

    test("I3 is killed and comes back: every run completes, and the worker's log does not flood", async () => {
      await using room = openServerRoom();
      const server = await room.start("killed", { settings: { appendonly: "yes" } });
      const midway = Promise.withResolvers<void>();
      const provider = await startFakeProvider({
        latencyMs: 200,
        reply: ({ lastUserText }) => {
          if (lastUserText === "run 6") midway.resolve();
          return { text: lastUserText };
        },
      });
      onTestFinished(() => provider.close());
      const redis = `redis://127.0.0.1:${server.port}`;
      const worker = commandLine({ REDIS_URL: redis, OPENAI_API_KEY: "k", OPENAI_BASE_URL: provider.url }).start([
        "worker",
        "--concurrency",
        "4",
      ]);
      await worker.says("worker.started");
      await using producer = createProducer({ redis });
      const inputs = Array.from({ length: 16 }, (_, index) => `run ${index}`);
      const runs = await Promise.all(inputs.map((input) => producer.submit("assistant", input)));
      await midway.promise;
      await server.kill();
      // The outage lasts as long as a producer is patient: the worker meets many failed reconnects.
      await worker.says("queue.errored");
      await expect(producer.submit("assistant", "lost")).rejects.toMatchObject({ code: "BACKEND_UNREACHABLE" });
      await server.restart();

      const results = await Promise.all(runs.map((run) => run.result({ timeoutMs: 45_000 })));
      expect(results.map((result) => result.status === "completed" && result.output)).toEqual(inputs);
      expect(provider.calls.length).toBeLessThanOrEqual(inputs.length + 4);
      const warnings = worker
        .talk()
        .split("\n")
        .filter((line) => /"level":[456]0/.test(line));
      expect(warnings.length, warnings.join("\n")).toBeLessThanOrEqual(4);
    });
  });
});
