/** The README's example as a reader runs it: one worker process, one script that submits. Only the model is a fake. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createProducer } from "../../src/producer.ts";
import { provisionRedis } from "../../src/redis/provision.ts";
import { type FakeRule, startFakeProvider } from "../../src/testing/fake-provider.ts";
import { startWorker } from "../support/processes.ts";
import { needs } from "../support/redis.ts";

const inQuickStart = (file: string): string => fileURLToPath(new URL(`../../examples/quick-start/${file}`, import.meta.url));

const reply: FakeRule = ({ handoffs, tools, toolResults }) => {
  const [handoff] = handoffs;
  if (handoff !== undefined) return { toolCalls: [{ name: handoff, arguments: {} }] };
  const found = toolResults.find(({ output }) => output.includes("paidCents"));
  if (found === undefined) return { toolCalls: [{ name: tools[0] ?? "", arguments: { order: "1842" } }] };
  return { text: JSON.stringify({ reply: "One of the two charges comes back.", refundCents: 4200 }) };
};

test("quick start: triage hands off to refunds, whose structured output is printed; the same key finds the run that is there", {
  tags: ["processes", "redis", "real-redis"],
}, async (context) => {
  needs(context, "real-redis");
  // A server of its own: the example names no prefix, so it may share none.
  await using redis = await provisionRedis({ env: { PATH: process.env["PATH"] }, allowJavaScript: false, log: () => undefined });
  await using provider = await startFakeProvider({ reply });
  const env = { PATH: process.env["PATH"] ?? "", REDIS_URL: redis.url, OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: "test-key" };
  await using _worker = await startWorker({ env, fleet: inQuickStart("fleet.ts") });

  const submit = () => promisify(execFile)(process.execPath, [inQuickStart("submit.ts")], { env, timeout: 50_000 });
  const first = await submit();
  expect(first.stdout).toBe("One of the two charges comes back. (4200 cents)\n");
  expect(first.stderr).toContain("run.handed-off");
  expect(provider.calls).toHaveLength(3);

  expect((await submit()).stdout).toBe(first.stdout);
  expect(provider.calls).toHaveLength(3);
  await using producer = createProducer({ redis: redis.url });
  expect(await producer.list({ limit: 10 })).toMatchObject([{ tenant: "acme", agent: "refunds", entryAgent: "triage", hop: 1 }]);
});
