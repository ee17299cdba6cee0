/**
 * Promise: secrets and what users say come out nowhere by the way. No log line at any level, no job, no event of BullMQ, no registry entry and
 * no line of talk holds them; keys of providers and of tenants are in Redis nowhere at all.
 */
import { randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, tool } from "@openai/agents";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { z } from "zod";
import { toolPolicy } from "../../src/index.ts";
import { bullPrefix, keysFor } from "../../src/redis/keys.ts";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { type InProcess, setupInProcess } from "../support/in-process-fleet.ts";
import { contentsOf, keysHolding } from "../support/redis-contents.ts";
import { newPrefix } from "../support/redis-store.ts";

const newWord = (): string => `canary${randomUUID().replaceAll("-", "")}`;

/** A log's records as a sink would write them: errors with their message, stack, causes and own fields. */
function asWritten(records: readonly unknown[]): string {
  const seen = new Set<unknown>();
  const plain = (_key: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return "[seen]";
    seen.add(value);
    if (!(value instanceof Error)) return value;
    return { ...Object.fromEntries(Object.entries(value)), message: value.message, stack: value.stack, cause: value.cause };
  };
  return JSON.stringify(records, plain);
}

/** Keys of Redis that may hold what users say; all others may not. */
const PAYLOAD_PARTS = /:run:[^:]+(?::(?:items|journal|intents|approvals|decisions|events|live)\b.*)?$/;

const never = tool({
  name: "never",
  description: "Fails.",
  parameters: z.object({ what: z.string() }),
  errorFunction: null,
  execute: async ({ what }) => {
    throw Object.assign(new Error(`failed with ${what}`), { headers: { authorization: `Bearer ${what}` }, config: { apiKey: what } });
  },
});
const agents = {
  plain: new Agent({ name: "plain", model: "plain-model" }),
  tooled: new Agent({ name: "tooled", model: "tooled-model", tools: [toolPolicy(never, { onCrash: "idempotent" })] }),
  refused: new Agent({ name: "refused", model: "refused-model" }),
  keyless: new Agent({ name: "keyless", model: "keyless-model" }),
};

async function play(bundle: InProcess, word: string): Promise<void> {
  bundle.provider.setReply((call) => {
    // Providers quote the prompt, and keys, in their errors.
    if (call.model === "refused-model")
      return { status: 400, errorCode: "invalid_prompt", errorMessage: `bad: ${word}-provider ${call.lastUserText}` };
    if (call.model === "keyless-model") return { status: 401, errorMessage: `Incorrect API key provided: sk-${word}-tenant` };
    if (call.model === "tooled-model") return { toolCalls: [{ name: "never", arguments: { what: `${word}-arguments` } }] };
    // In two pieces, of which the second has the word whole: how many of them one write takes is the machine's.
    return { text: `${"Streamed, and the first piece is this one:".padEnd(60)}${word}-answer it says.`, chunk: 60, chunkDelayMs: 5 };
  });
  const fleet = bundle.fleet(agents, {
    env: { OPENAI_API_KEY: `sk-${word}-fleet`, OPENAI_BASE_URL: bundle.provider.url },
    credentials: ({ tenant }) => (tenant === "acme" ? { apiKey: `sk-${word}-tenant`, baseURL: bundle.provider.url } : undefined),
    context: ({ context }) => ({ ...context, connection: `${word}-live` }),
  });
  const options = { tenant: "acme", context: { customer: `${word}-context` }, metadata: { note: `${word}-metadata` }, idempotencyKey: "k" };
  await fleet.worker(bundle.workerOptions);
  const runs = await Promise.all([
    fleet.submit("plain", `${word}-input`, options),
    fleet.submit("plain", `${word}-input`),
    fleet.submit("refused", `${word}-input`),
    fleet.submit("keyless", `${word}-input`, { tenant: "acme" }),
  ]);
  const tooled = await fleet.submit("tooled", `${word}-input`);
  expect((await Promise.all(runs.map((run) => run.result()))).map(({ status }) => status)).toEqual([
    "completed",
    "completed",
    "failed",
    "failed",
  ]);
  for await (const event of tooled.events()) if (event.type === "run.retrying") break;
  await expect(fleet.submit("plain", `${word}-other`, options)).rejects.toMatchObject({
    code: "IDEMPOTENCY_CONFLICT",
    message: expect.not.stringContaining(word),
  });
  await tooled.cancel();
}

describe("canaries", { tags: ["redis"] }, () => {
  test("the looks have eyes: logged errors and Redis values are read whole", async () => {
    const word = newWord();
    const error = Object.assign(new Error("x", { cause: new Error(word) }), { request: { body: word } });
    expect(asWritten([{ err: error }])).toContain(word);
    expect(asWritten([{ err: new Error("x", { cause: new Error(word) }) }])).toContain(word);
    await using bundle = await setupInProcess(() => ({ text: "" }));
    await play(bundle, word);
    const found = await keysHolding(bundle.redis(), [word]);
    for (const part of ["items", "journal", "events", "live"]) expect(found.some((key) => key.includes(`:${part}`))).toBe(true);
  });

  test("what users, models and tools say is in the runs' own keys only; in no log line, no job, no BullMQ event, no registry", async () => {
    const word = newWord();
    await using bundle = await setupInProcess(() => ({ text: "" }));
    await play(bundle, word);
    expect(bundle.log.records.length).toBeGreaterThan(5);
    expect(asWritten(bundle.log.records)).not.toContain(word);
    const redis = bundle.redis();
    const found = await keysHolding(redis, [word]);
    expect(found.filter((key) => !PAYLOAD_PARTS.test(key))).toEqual([]);

    // The places that were named are there to be looked at.
    const contents = await contentsOf(redis);
    const keys = keysFor(bundle.prefix);
    expect(contents.get(keys.workers())).toContain("workerId");
    expect(contents.get(keys.agents())).toContain("plain");
    const bull = [...contents.keys()].filter((key) => key.startsWith(`${bullPrefix(bundle.prefix, 0)}:default.v1:`));
    expect(bull.some((key) => key.endsWith(":events"))).toBe(true);
  });

  test("keys of providers and tenants, and what the context factory adds, are in Redis nowhere", async () => {
    const word = newWord();
    await using bundle = await setupInProcess(() => ({ text: "" }));
    await play(bundle, word);
    expect(new Set(bundle.provider.calls.map(({ headers }) => headers.authorization))).toEqual(
      new Set([`Bearer sk-${word}-fleet`, `Bearer sk-${word}-tenant`]),
    );
    expect(await keysHolding(bundle.redis(), [`${word}-fleet`, `${word}-tenant`, `${word}-live`])).toEqual([]);
    // The provider's own words about a bad prompt or key are not kept either.
    expect(await keysHolding(bundle.redis(), [`${word}-provider`])).toEqual([]);
  });
});

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const INDEX = new URL("../../src/index.ts", import.meta.url).href;

describe("the command line", { tags: ["redis", "processes", "slow"] }, () => {
  test("a worker at level debug says nothing of what a run holds, nor its keys, whatever fails", async () => {
    const word = newWord();
    const provider = await startFakeProvider({
      reply: ({ lastUserText }) => ({ status: 400, errorCode: "invalid_prompt", errorMessage: `bad: ${lastUserText} sk-${word}-key` }),
    });
    onTestFinished(() => provider.close());
    const folder = mkdtempSync(path.join(tmpdir(), "flotilla-canary-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const fleetFile = path.join(folder, "fleet.ts");
    const sdk = import.meta.resolve("@openai/agents");
    writeFileSync(
      fleetFile,
      `import { Agent } from ${JSON.stringify(sdk)};\nimport { createFleet } from ${JSON.stringify(INDEX)};\nexport const fleet = createFleet({ agents: { a: new Agent({ name: "a", model: "m" }) } });\n`,
    );
    const env = {
      PATH: process.env["PATH"],
      REDIS_URL: inject("redisUrl"),
      FLOTILLA_PREFIX: newPrefix(),
      FLOTILLA_LOG_LEVEL: "debug",
      FLOTILLA_PAYLOAD_KEYS: `k1:${Buffer.from(word.slice(0, 32)).toString("base64")}`,
      OPENAI_API_KEY: `sk-${word}-key`,
      OPENAI_BASE_URL: provider.url,
    };
    const worker = start(["worker", "--fleet", fleetFile], env, folder);
    await worker.says("worker.started");
    const submitted = await start(["submit", "a", `${word}-input`, "--wait", "--context", `{"c":"${word}-context"}`], env, folder).ended;
    expect(submitted).toMatchObject({ code: 1, out: "" });
    expect(submitted.talk).toContain("MODEL_CALL_FAILED");
    expect(submitted.talk).not.toContain(word);
    const wrongKeys = await start(["runs", "ls"], { ...env, FLOTILLA_PAYLOAD_KEYS: `k1:${word}` }, folder).ended;
    expect(wrongKeys).toMatchObject({ code: 2, out: "", talk: expect.stringContaining("FLOTILLA_PAYLOAD_KEYS") });
    expect(wrongKeys.talk).not.toContain(word);
    worker.kill();
    const { talk, out } = await worker.ended;
    expect(talk).toContain("attempt.settled");
    for (const secret of [word, env.FLOTILLA_PAYLOAD_KEYS.slice(3)]) expect(out + talk).not.toContain(secret);
  });
});

function start(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [out, talk] = ["", ""];
  const heard = Promise.withResolvers<void>();
  let awaited: string | undefined;
  child.stdout.on("data", (data) => (out += String(data)));
  child.stderr.on("data", (data) => {
    talk += String(data);
    if (awaited !== undefined && talk.includes(awaited)) heard.resolve();
  });
  const ended = new Promise<{ code: number | null; out: string; talk: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, out, talk })),
  );
  return {
    ended,
    kill: () => child.kill("SIGTERM"),
    says: (words: string): Promise<void> => {
      awaited = words;
      if (talk.includes(words)) heard.resolve();
      return Promise.race([heard.promise, ended.then(() => Promise.reject(new Error(`ended without saying ${words}: ${talk}`)))]);
    },
  };
}
