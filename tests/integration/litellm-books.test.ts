/**
 * Promise: a proxy's books name whose call it was and what it cost. Seen where LiteLLM hands each call to its loggers, the spend log among them;
 * its table in a database is not seen (docs/litellm-contract.md).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "@openai/agents";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { RunEvent } from "../../src/index.ts";
import { until } from "../../tools/loopback.ts";
import { setupInProcess } from "../support/in-process-fleet.ts";
import { MASTER_KEY, useProxyBench } from "../support/litellm.ts";

const MODEL = "anthropic/claude-sonnet-4-6";
const WAYS: [string, boolean][] = [
  ["chat", false],
  ["chat", true],
  ["messages", false],
  ["messages", true],
];

const entrySchema = z.object({
  litellm_call_id: z.string(),
  request_tags: z.array(z.string()),
  end_user: z.string(),
  response_cost: z.number(),
  metadata: z.object({ spend_logs_metadata: z.unknown() }),
});
type Entry = z.infer<typeof entrySchema>;
type Turn = Extract<RunEvent, { type: "turn.completed" }>;

describe("the books of a real proxy", { tags: ["litellm", "redis", "processes", "slow"] }, () => {
  const dir = mkdtempSync(join(tmpdir(), "flotilla-books-"));
  const BOOKS = join(dir, "books.jsonl");
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const bench = useProxyBench({ settings: { callbacks: ["litellm-books.books"] }, files: ["litellm-books.py"], env: { BOOKS } });

  /** They are written a little after the answer. */
  async function booked(callId: string): Promise<Entry | undefined> {
    const find = (): Entry | undefined => {
      const lines = existsSync(BOOKS) ? readFileSync(BOOKS, "utf8").split("\n").slice(0, -1) : [];
      return lines.map((line) => entrySchema.parse(JSON.parse(line))).find((entry) => entry.litellm_call_id === callId);
    };
    await until(`the proxy has booked ${callId}`, 30_000, () => find() !== undefined);
    return find();
  }

  test.each(WAYS)(
    "D2: a call is booked under its id with tenant, agent, run and cost, by the %s door (streamed: %s)",
    async (api, stream) => {
      await using local = await setupInProcess(() => ({}));
      const clerk = new Agent({ name: "clerk", instructions: "Answer", model: MODEL });
      const env = { LITELLM_BASE_URL: `${bench().proxy.url}/v1`, LITELLM_API_KEY: MASTER_KEY, FLOTILLA_LITELLM_API: api };
      const fleet = local.fleet({ clerk: { agent: clerk, stream } }, { env });
      await fleet.worker(local.workerOptions);
      const run = await fleet.submit("clerk", "hi", { tenant: "acme" });
      await run.output();
      const turns: Turn[] = [];
      for await (const event of run.events()) if (event.type === "turn.completed") turns.push(event);
      const receipt = turns[0]?.receipt;
      const entry = await booked(receipt?.callId ?? "");
      expect(entry).toMatchObject({
        request_tags: expect.arrayContaining(["tenant:acme", "agent:clerk"]) as unknown,
        end_user: "acme",
        metadata: { spend_logs_metadata: { run_id: run.id, hop: 0, attempt: 1, agent: "clerk", tenant: "acme" } },
      });
      expect(Math.round((entry?.response_cost ?? 0) * 1_000_000)).toBe(receipt?.costMicroUsd);
      expect(receipt?.costMicroUsd).toBeGreaterThan(0);
    },
  );

  test("D2: SURPRISE: a call passed through by /anthropic is booked with tenant and cost, but without its run", async () => {
    const call = { model: "claude-sonnet-4-6", max_tokens: 10, messages: [{ role: "user", content: "hi" }] };
    const { headers } = await bench().post("/anthropic/v1/messages", call, {
      "x-litellm-tags": "tenant:acme",
      "x-litellm-end-user-id": "acme",
      "x-litellm-spend-logs-metadata": '{"run_id":"r"}',
    });
    const entry = await booked(headers.get("x-litellm-call-id") ?? "");
    expect(entry).toMatchObject({ request_tags: ["tenant:acme"], end_user: "acme", metadata: { spend_logs_metadata: null } });
    expect(entry?.response_cost).toBeGreaterThan(0);
  });
});
