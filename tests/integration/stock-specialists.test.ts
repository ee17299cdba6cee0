/** Promise: whoever has nothing but a key is at work at once: with the stock specialists, or with the fleet that `init` writes. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { type FakeProvider, type FakeRule, startFakeProvider } from "../../src/testing/fake-provider.ts";
import { newPrefix } from "../support/redis-store.ts";
import { type CommandLine, commandLine, emptyFolder } from "../unit/cli/cli-process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCHEMA = { type: "object", properties: { name: { type: "string" } }, required: ["name"], additionalProperties: false };

interface User extends CommandLine {
  readonly provider: FakeProvider;
}

async function user(reply?: FakeRule, cwd = emptyFolder()): Promise<User> {
  const provider = await startFakeProvider(reply === undefined ? {} : { reply });
  onTestFinished(() => provider.close());
  const env = { REDIS_URL: inject("redisUrl"), FLOTILLA_PREFIX: newPrefix(), OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: "k" };
  return { ...commandLine(env, cwd), provider };
}

/** The planner hands over to the writer, who answers. */
const handOverOnce: FakeRule = ({ handoffs, instructions }) =>
  instructions.startsWith("You plan")
    ? { text: "A plan.", toolCalls: [{ name: handoffs.find((name) => name.endsWith("writer")) ?? "", arguments: {} }] }
    : { text: "A poem." };

/** Makes `flotilla`, the SDK and zod importable from a folder, as an installation would. */
function install(cwd: string): void {
  const modules = path.join(cwd, "node_modules");
  mkdirSync(path.join(modules, "flotilla"), { recursive: true });
  mkdirSync(path.join(modules, "@openai"));
  writeFileSync(
    path.join(modules, "flotilla", "package.json"),
    JSON.stringify({ name: "flotilla", type: "module", exports: "./index.ts" }),
  );
  // Node takes types out of files only outside of node_modules; a link counts as the place it leads to.
  symlinkSync(path.join(ROOT, "src", "index.ts"), path.join(modules, "flotilla", "index.ts"));
  symlinkSync(path.join(ROOT, "node_modules", "@openai", "agents"), path.join(modules, "@openai", "agents"));
  symlinkSync(path.join(ROOT, "node_modules", "zod"), path.join(modules, "zod"));
}

describe("a new user", { tags: ["redis", "processes", "slow"] }, () => {
  test("gets answers from the stock specialists without a fleet file", async () => {
    const { start, run, file } = await user();
    file("s.json", JSON.stringify(SCHEMA));
    const worker = start(["worker"]);
    await worker.says("worker.started");
    expect(worker.talk()).toContain("stock specialists");

    const extracted = await run(["submit", "extractor", "--schema", "s.json", "-", "--wait", "--json"], "Ada Lovelace");
    expect(extracted).toMatchObject({ code: 0 });
    expect(JSON.parse(extracted.out)).toMatchObject({ status: "completed", agent: "extractor", output: { name: "Ada Lovelace" } });

    const labels = JSON.stringify({ labels: ["bug", "wish"] });
    const [labelled, plain, facts] = await Promise.all([
      run(["submit", "classifier", "It broke", "--settings", labels, "--wait", "--json"]),
      run(["submit", "classifier", "I love it", "--wait", "--json"]),
      run(["submit", "extractor", "Some text", "--wait", "--json"]),
    ]);
    expect(JSON.parse(labelled.out)).toMatchObject({ status: "completed", output: { label: "bug" } });
    expect(JSON.parse(plain.out)).toMatchObject({ status: "completed", output: { label: "positive" } });
    expect(JSON.parse(facts.out)).toMatchObject({ status: "completed", output: { facts: [] } });

    worker.process.kill("SIGTERM");
    expect(await worker.ended).toMatchObject({ code: 0, out: "" });
  });

  test("sees the planner hand over to a colleague", async () => {
    const { start, run } = await user(handOverOnce);
    const worker = start(["worker"]);
    await worker.says("worker.started");
    const planned = await run(["submit", "planner", "A poem, please", "--wait", "--json"]);
    expect(planned.talk).toContain("handed off to writer");
    expect(JSON.parse(planned.out)).toMatchObject({ status: "completed", agent: "writer", output: "A poem." });
  });

  test("is told which setting of a specialist is wrong", async () => {
    const { start, run, provider } = await user();
    const worker = start(["worker"]);
    await worker.says("worker.started");
    const failed = await run(["submit", "classifier", "x", "--settings", '{"labels":["one"]}', "--wait"]);
    expect(failed).toMatchObject({ code: 1, out: "" });
    expect(failed.talk).toMatch(/failed: INPUT_INVALID .*settings\.labels/);
    expect(provider.calls).toHaveLength(0);
  });

  test("starts a worker with what init writes, and it answers", async () => {
    const answers: FakeRule = ({ handoffs }) =>
      handoffs.length > 0 ? { toolCalls: [{ name: handoffs[0] ?? "", arguments: {} }] } : { text: "Refunded." };
    const { start, run, cwd } = await user(answers);
    install(cwd);
    writeFileSync(path.join(cwd, "package.json"), JSON.stringify({ type: "module" }));
    expect(await run(["init"])).toMatchObject({ code: 0, out: "fleet.ts\n.env.example\n" });

    const worker = start(["worker"]);
    await worker.says("worker.started");
    const answered = await run(["submit", "triage", "Where is order 17?", "--wait", "--json"]);
    expect(JSON.parse(answered.out)).toMatchObject({ status: "completed", agent: "refunds", output: "Refunded." });
    worker.process.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });
});
