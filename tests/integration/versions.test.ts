/** Promise: when an agent's code changed under a run that waits, its policy decides; nothing is paid or done before, and nothing is lost. */
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createProducer, type RunHandle } from "../../src/producer.ts";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";
import { setup } from "../support/process-bundle.ts";
import { commandLine } from "../unit/cli/cli-process.ts";

const FLEET = fileURLToPath(new URL("../support/fleets/circles-fleet.ts", import.meta.url));
const reply = ({ toolResults }: FakeCall): FakeReply =>
  toolResults.length === 0 ? { toolCalls: [{ name: "pay", arguments: {} }] } : { text: "paid" };

type Bundle = Awaited<ReturnType<typeof setup>>;

/** Resolves when the run was suspended for the n-th time. */
async function suspended(run: RunHandle, nth: number): Promise<void> {
  let seen = 0;
  for await (const event of run.events()) if (event.type === "run.suspended" && ++seen === nth) return;
}

async function approve(run: RunHandle): Promise<void> {
  const [approval] = (await run.status()).approvals;
  await run.approve(approval?.callId ?? "");
}

/** A run that began under v1, and whose call is approved when only a worker of another deploy is left. */
async function deployedUnder(bundle: Bundle, env: Readonly<Record<string, string>>): Promise<RunHandle> {
  const before = await bundle.worker({ fleet: FLEET });
  const producer = createProducer({ redis: bundle.env.REDIS_URL, prefix: bundle.prefix });
  onTestFinished(() => producer.close());
  const run = await producer.submit("payer", "go");
  await suspended(run, 1);
  await before.kill("SIGKILL");
  await bundle.worker({ fleet: FLEET, env: { DEPLOY_VERSION: "v2", ...env } });
  await approve(run);
  return run;
}

test("versions: under the policy fail, a hop that began under another version ends with both named; a fork carries it on under the new one", {
  tags: ["processes", "slow"],
}, async () => {
  await using bundle = await setup(reply);
  const run = await deployedUnder(bundle, { DEPLOY_POLICY: "fail" });
  const ended = await run.result();
  expect(ended).toMatchObject({ status: "failed", error: { code: "AGENT_CHANGED", message: expect.stringMatching(/v1 \(.*v2 \(/) } });
  expect(bundle.effects()).toEqual([]);
  expect(bundle.provider.calls).toHaveLength(1);
  const { run: flotilla } = commandLine(bundle.env);
  const forked = await flotilla(["runs", "fork", run.id, "--turn", "2", "--tools", "live", "--json"]);
  expect(JSON.parse(forked.out)).toMatchObject({ copy: { status: "completed", output: "paid", turns: 1 } });
  expect(bundle.effects()).toEqual(["pay"]);
  expect(bundle.provider.calls).toHaveLength(2);
});

test("versions: under the policy continue, a version that asks the same goes on, and one that asks otherwise suspends the run until a person resolves it", {
  tags: ["processes", "slow"],
}, async () => {
  await using bundle = await setup(reply);
  const same = await deployedUnder(bundle, {});
  expect(await same.result()).toMatchObject({ status: "completed", output: "paid" });
  expect(await same.status()).toMatchObject({ build: { version: "v2" } });
  expect(bundle.provider.calls).toHaveLength(2);

  await using other = await setup(reply);
  const run = await deployedUnder(other, { DEPLOY_WORDS: "Be polite." });
  await suspended(run, 2);
  expect(await run.status()).toMatchObject({ status: "suspended", suspension: "replay-diverged", divergences: 1 });
  expect((await run.status()).error).toMatchObject({ code: "REPLAY_DIVERGED", message: expect.stringContaining("the instructions") });
  expect(other.effects()).toEqual([]);
  const { run: flotilla } = commandLine(other.env);
  expect(await flotilla(["runs", "resolve", "--suspension", "replay-diverged", "--resample", "--yes"])).toMatchObject({
    code: 0,
  });
  await suspended(run, 3);
  await approve(run);
  expect(await run.result()).toMatchObject({ status: "completed", output: "paid" });
  expect(other.effects()).toEqual(["pay"]);
  expect(other.provider.calls).toHaveLength(3);
});
