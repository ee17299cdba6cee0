/** Promise: the command line does what its help says, as processes: submit, follow, leave, come back, kill a worker, and every exit code. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { type FakeProvider, startFakeProvider } from "../../src/testing/fake-provider.ts";
import { newPrefix } from "../support/redis-store.ts";
import { commandLine, emptyFolder } from "../unit/cli/cli-process.ts";
import { reply } from "../../examples/support-desk/rules.ts";

const FLEET = fileURLToPath(new URL("../../examples/support-desk/fleet.ts", import.meta.url));
const TICKET =
  "Ticket T-1001\nFrom: mara.lind@example.com\nSubject: Charged twice\n\nTwo payments of 49.90 EUR for order H-20431. Please refund one.";

function desk(provider?: FakeProvider, redisUrl = inject("redisUrl")) {
  const cwd = emptyFolder();
  const model = provider === undefined ? {} : { OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: "k" };
  const refunds = path.join(cwd, "refunds.jsonl");
  const { start } = commandLine({ REDIS_URL: redisUrl, FLOTILLA_PREFIX: newPrefix(), SUPPORT_DESK_REFUNDS: refunds, ...model }, cwd);
  return { cwd, start: (...args: string[]) => start(args), run: (...args: string[]) => start(args).ended };
}

async function startProvider(options: Parameters<typeof startFakeProvider>[0] = {}): Promise<FakeProvider> {
  const started = await startFakeProvider({ reply, ...options });
  onTestFinished(() => started.close());
  return started;
}

describe("the command line", { tags: ["redis", "processes", "slow"] }, () => {
  test("submits, waits, shows, lists and finds the run again by its key", async () => {
    const { start, run } = desk(await startProvider());
    const worker = start("worker", "--fleet", FLEET);
    await worker.says("worker.started");

    const waited = await run("submit", "triage", TICKET, "--wait", "--key", "t-1", "--json");
    expect(waited).toMatchObject({ code: 0 });
    const result = JSON.parse(waited.out);
    expect(result).toMatchObject({ status: "completed", agent: "refunds", output: { ticketId: "T-1001", refundedCents: 4_990 } });

    const [again, shown, listed, unknown] = await Promise.all([
      run("submit", "triage", TICKET, "--key", "t-1"),
      run("runs", "show", result.runId),
      run("runs", "ls", "--status", "completed", "--json"),
      run("submit", "triagge", "x", "--json"),
    ]);
    expect(again.out.trim()).toBe(result.runId);
    expect(shown.out).toMatch(/triage {2}hop 0[\s\S]*handed off to refunds[\s\S]*refunds {2}hop 1[\s\S]*tool issue_refund ok/);
    expect(JSON.parse(listed.out)).toMatchObject({ runId: result.runId });
    expect(unknown.code).toBe(2);
    expect(JSON.parse(unknown.talk)).toMatchObject({ error: { code: "AGENT_UNKNOWN", at: "agent" } });

    worker.process.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  test("Ctrl-C leaves a run that goes on, and says how to come back", async () => {
    const { start, run } = desk(await startProvider({ latencyMs: 1_500 }));
    const worker = start("worker", "--fleet", FLEET);
    await worker.says("worker.started");
    const waiting = start("submit", "triage", TICKET, "--wait");
    await waiting.says("attempt 1");
    waiting.process.kill("SIGINT");
    const left = await waiting.ended;
    expect(left).toMatchObject({ code: 130, out: "" });
    const back = /flotilla (runs tail \S+ --after \S+)/.exec(left.talk)?.[1]?.split(" ") ?? [];
    const tailed = await run(...back);
    expect(tailed.code).toBe(0);
    expect(tailed.talk).toContain("completed");
    expect(tailed.talk).not.toContain("queued for");
  });

  test("exits with 4 when Redis does not answer, told once", async () => {
    const { run } = desk(undefined, "redis://127.0.0.1:1");
    const refused = await run("runs", "show", "r0-01jd3xk2v7w8y9z0a1b2c3d4e5");
    expect(refused).toMatchObject({ code: 4, out: "" });
    expect(refused.talk.match(/BACKEND_UNREACHABLE/g)).toHaveLength(1);
  });

  test("a failed run exits with 1 and tells its reason on stderr", async () => {
    const { start, run } = desk(await startProvider({ faults: () => ({ status: 401, errorMessage: "bad key" }) }));
    const worker = start("worker", "--fleet", FLEET);
    await worker.says("worker.started");
    const failed = await run("submit", "triage", TICKET, "--wait");
    expect(failed).toMatchObject({ code: 1, out: "" });
    expect(failed.talk).toContain("MODEL_KEY_REJECTED");
  });

  test("the demo's verdict is good although a worker was killed", async () => {
    const { run, cwd } = desk();
    const demo = await run("demo", "--json");
    expect(demo.talk).toContain("SIGKILL to worker");
    expect(demo.code, demo.out + demo.talk).toBe(0);
    expect(JSON.parse(demo.out)).toMatchObject({ ok: true });
    const rows = readFileSync(path.join(cwd, ".flotilla/demo/results.jsonl"), "utf8").trim().split("\n");
    expect(new Set(rows.map((row) => JSON.parse(row).ticket)).size).toBe(rows.length);
  });
});
