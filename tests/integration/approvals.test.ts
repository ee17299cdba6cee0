/** A call waits for a person through the death of every worker, and is decided once, from a process that has none of the agents' code. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createProducer, type RunHandle } from "../../src/producer.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";
import { setup } from "../support/process-bundle.ts";
import { APPROVAL_FLEET } from "../support/processes.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** The desk refunds, asks its auditor, and answers; the auditor audits once. */
function reply({ model, toolResults }: FakeCall): FakeReply {
  if (model === "auditor-model")
    return toolResults.length === 0 ? { toolCalls: [{ name: "audit", arguments: { amount: 1 } }] } : { text: "audited" };
  if (toolResults.length === 0) return { toolCalls: [{ name: "refund", arguments: { amount: 500 } }] };
  if (toolResults.length === 1) return { toolCalls: [{ name: "ask_auditor", arguments: { input: "all right?" } }] };
  return { text: "done" };
}

/** Resolves when the run was suspended for the n-th time; returns the call that waits. */
async function waitingCall(run: RunHandle, nth: number): Promise<string> {
  let seen = 0;
  for await (const event of run.events()) if (event.type === "run.suspended" && ++seen === nth) break;
  return (await run.status()).approvals[0]?.callId ?? "";
}

async function cli(env: Readonly<Record<string, string>>, ...args: string[]): Promise<{ code: number | null; out: string; talk: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env["PATH"], ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let [out, talk] = ["", ""];
  child.stdout.on("data", (data) => (out += String(data)));
  child.stderr.on("data", (data) => (talk += String(data)));
  // The event's own argument.
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, talk };
}

test("I4 I5 I6: decisions outlive every worker: edited, nested and refused ones, with no model call paid again and each effect once", {
  tags: ["processes", "slow"],
}, async () => {
  await using bundle = await setup(reply);
  const first = await bundle.worker({ fleet: APPROVAL_FLEET });
  await using producer = createProducer({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  const run = await producer.submit("desk", "go", { tenant: "acme" });
  const refund = await waitingCall(run, 1);
  await expect.poll(() => bundle.effects()).toContain(`asked for refund ${refund}`);
  await first.kill("SIGKILL");

  const listed = await cli(bundle.env, "approvals", "ls", "--tenant", "acme", "--json");
  expect(JSON.parse(listed.out)).toMatchObject({ runId: run.id, callId: refund, tool: "refund", arguments: '{"amount":500}' });
  expect(await cli(bundle.env, "approvals", "ls", "--tenant", "umbrella", "--json")).toMatchObject({ code: 0, out: "" });
  const decide = [
    "approvals",
    "approve",
    run.id,
    refund,
    "--by",
    "ann",
    "--reason",
    "half of it",
    "--arguments",
    '{"amount":50}',
    "--json",
  ];
  expect(await cli(bundle.env, ...decide, "--tenant", "umbrella")).toMatchObject({ code: 2, talk: expect.stringContaining("RUN_UNKNOWN") });
  expect(JSON.parse((await cli(bundle.env, ...decide)).out)).toEqual({ runId: run.id, status: "approved" });
  const again = await cli(bundle.env, "approvals", "reject", run.id, refund, "--by", "bob");
  expect(again).toMatchObject({ code: 2, talk: expect.stringMatching(/DECISION_NOT_OPEN[^]*approved by ann at 20/) });

  const second = await bundle.worker({ fleet: APPROVAL_FLEET });
  const audit = await waitingCall(run, 2);
  await second.kill("SIGKILL");
  await run.approve(audit, { by: "mallory" });

  await bundle.worker({ fleet: APPROVAL_FLEET });
  expect(await waitingCall(run, 3)).toBe(audit);
  // By the second worker, or by this one if the kill was faster.
  await expect.poll(() => bundle.effects(), { timeout: 20_000 }).toContain(`asked for audit ${audit}`);
  await run.approve(audit, { by: "ann" });
  expect(await run.output()).toBe("done");

  const info = await run.status();
  expect(info.decisions).toMatchObject([
    { callId: refund, by: "ann", reason: "half of it", arguments: '{"amount":50}' },
    { callId: audit, agent: "auditor", by: "mallory", refused: { why: expect.stringContaining("mallory") } },
    { callId: audit, agent: "auditor", by: "ann" },
  ]);
  // Three turns of the desk and two of the auditor, through four attempts.
  expect(bundle.provider.calls).toHaveLength(5);
  const effects = bundle.effects();
  expect(effects.filter((line) => !line.startsWith("asked"))).toEqual(["refund 50", "audit 1"]);
});
