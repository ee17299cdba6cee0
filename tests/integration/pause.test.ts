/** Pauses on real Redis, with a worker that goes on taking work, and as people give them at the command line. */
import { Agent } from "@openai/agents";
import { expect, onTestFinished, test } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { createProducer } from "../../src/producer.ts";
import type { FakeRule } from "../../src/testing/fake-provider.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { createGate, setup as setupProcesses, usualReply } from "../support/process-bundle.ts";
import { fakeContext } from "../unit/cli/fake-context.ts";

const agents = { a: new Agent({ name: "a", model: "m" }) };

async function setup(reply: FakeRule = () => ({ text: "fine" })) {
  const bundle = await setupInProcess(reply);
  onTestFinished(() => bundle[Symbol.asyncDispose]());
  const fleet = bundle.fleet(agents);
  const producer = createProducer<typeof fleet>({ redis: bundle.redisUrl, prefix: bundle.prefix });
  onTestFinished(() => producer.close());
  const cli = async (...argv: string[]) => {
    const context = fakeContext({ env: { REDIS_URL: bundle.redisUrl, FLOTILLA_PREFIX: bundle.prefix, USER: "ann" } });
    return { code: await runCli(argv, context), out: context.stdout.join("\n"), talk: context.stderr.join("\n") };
  };
  return { bundle, fleet, producer, cli };
}

test("I3 I6: a paused tenant's runs park without slot or job, others go on; a resume starts all of them", { tags: ["redis"] }, async () => {
  const { bundle, fleet, producer, cli } = await setup();
  expect(await cli("pause", "--tenant", "acme", "--reason", "bill unpaid")).toMatchObject({ code: 0, out: "tenant acme paused" });
  await using _ = await fleet.worker(bundle.workerOptions);
  const held = await Promise.all(Array.from({ length: 250 }, () => producer.submit("a", "go", { tenant: "acme" })));
  const free = await producer.submit("a", "go", { tenant: "other" });
  expect(await free.result()).toMatchObject({ status: "completed" });
  await expect.poll(async () => (await producer.list({ status: "paused", limit: 300 })).length, { timeout: 10_000 }).toBe(250);
  expect(await held[0]?.status()).toMatchObject({ status: "paused", attempts: 0, pause: { scope: "tenant", by: "ann" } });
  expect(bundle.provider.calls).toHaveLength(1);
  const shown = await cli("runs", "show", held[0]?.id ?? "");
  expect(shown.out).toMatch(/paused with its tenant by ann: bill unpaid[^]*flotilla resume --tenant acme/);
  expect((await cli("pause")).out).toMatch(/^tenant acme paused for .* by ann: bill unpaid$/);
  expect((await cli("pause", "--tenant", "acme")).out).toContain("was already paused with its tenant by ann");
  expect(await cli("resume", "--tenant", "acme")).toMatchObject({ code: 0 });
  for (const run of held) expect(await run.result()).toMatchObject({ status: "completed" });
  expect(bundle.provider.calls).toHaveLength(251);
  expect((await cli("resume", "--tenant", "acme")).out).toBe("tenant acme was not paused");
});

test("I4: a run that is paused in a model call of another process keeps its answer, is parked, and pays nothing twice", {
  tags: ["processes"],
}, async () => {
  const gate = createGate();
  let held = false;
  await using bundle = await setupProcesses(async (call) => {
    if (!held) {
      held = true;
      await gate.wait();
    }
    return usualReply(call);
  });
  await bundle.worker();
  const run = await bundle.producer.submit("opener", "hello");
  await gate.reached;
  expect(await run.pause({ by: "ann" })).toEqual({ status: "requested" });
  gate.open();
  for await (const event of run.events()) if (event.type === "run.paused") break;
  expect(await run.status()).toMatchObject({ status: "paused", turns: 1, retries: 0, deaths: 0 });
  expect(bundle.effects()).toEqual([]);
  expect(await run.resume()).toEqual({ status: "resumed" });
  expect(await run.result()).toMatchObject({ status: "completed" });
  expect(bundle.provider.calls).toHaveLength(4);
  expect(new Set(bundle.effects()).size).toBe(2);
});

test("the command line pauses, resumes and cancels runs, many of them only when that is meant", { tags: ["redis"] }, async () => {
  const { producer, cli, fleet, bundle } = await setup();
  await (await fleet.worker(bundle.workerOptions)).close();
  const one = await producer.submit("a", "go", { tenant: "acme" });
  expect(await cli("runs", "pause", one.id)).toMatchObject({ code: 0, out: `${one.id} paused` });
  expect(await cli("runs", "pause", one.id)).toMatchObject({ code: 0, out: `${one.id} already-paused` });
  expect(await cli("runs", "ls", "--status", "paused")).toMatchObject({ out: expect.stringContaining(one.id) });
  expect(await cli("runs", "resume", one.id)).toMatchObject({ code: 0, out: `${one.id} resumed` });
  expect(await cli("runs", "resume", one.id)).toMatchObject({ code: 0, out: `${one.id} not-paused` });
  expect(await cli("pause", "--tenant", "a", "--agent", "b")).toMatchObject({ code: 2, talk: expect.stringContaining("USAGE") });
  expect(await cli("pause", "--agent", "mistyped")).toMatchObject({
    code: 0,
    talk: expect.stringMatching(/^No worker ever announced agent mistyped; known are: /),
  });
  await producer.submit("a", "go", { tenant: "acme" });
  const spared = await producer.submit("a", "go", { tenant: "other" });
  const unasked = await cli("runs", "cancel", "--agent", "a", "--tenant", "acme");
  expect(unasked).toMatchObject({
    code: 2,
    talk: expect.stringMatching(/^2 live runs of agent a, tenant acme will be cancelled\.\n[^]*--yes/),
  });
  expect(await cli("runs", "cancel", one.id, "--agent", "a")).toMatchObject({ code: 2, talk: expect.stringContaining("USAGE") });
  expect(await cli("runs", "cancel", one.id, "--tenant", "b")).toMatchObject({ code: 2, talk: expect.stringContaining("RUN_UNKNOWN") });
  const done = await cli("runs", "cancel", "--tenant", "acme", "--yes", "--json");
  expect(JSON.parse(done.out)).toEqual({ tenant: "acme", cancelled: 2, requested: 0, alreadyFinal: 0 });
  expect((await spared.status()).status).toBe("queued");
  expect(await cli("runs", "cancel", spared.id)).toMatchObject({ code: 0, out: `${spared.id} cancelled` });
});
