/** How a message batch's end is waited for, and its results are read, whatever breaks off. */
import { describe, expect, test } from "vitest";
import { createMessageBatches, type ModelPrice } from "../../../src/index.ts";
import { all, ask, changing, setup, withResults } from "./batch-bench.ts";

describe("wait", () => {
  test("looks less and less often until the batch has ended, and outwaits a provider that is away", async () => {
    await using bench = await setup({}, { batchPolls: 3 });
    const { id } = await bench.batches.create([ask("a")]);
    bench.fake.setBatchFaults((_call, index) => (index === 2 ? { status: 503 } : index === 3 ? { reset: true } : undefined));
    expect(await bench.batches.wait(id)).toMatchObject({ id, status: "ended", counts: { succeeded: 1 } });
    expect(bench.pauses).toEqual([5_000, 7_500, 11_250, 16_875]);
  });

  test("a rate limit is heeded", async () => {
    await using bench = await setup({}, { batchPolls: 0 });
    const { id } = await bench.batches.create([ask("a")]);
    bench.fake.setBatchFaults((_call, index) => (index === 1 ? { status: 429, headers: { "retry-after": "100" } } : undefined));
    await bench.batches.wait(id);
    expect(bench.pauses).toEqual([100_000]);
  });

  test("a rate limit of many days is looked at again after an hour", async () => {
    await using bench = await setup({}, { batchPolls: 0 });
    const { id } = await bench.batches.create([ask("a")]);
    const days = { status: 429, headers: { "retry-after": String(30 * 24 * 3_600) } };
    bench.fake.setBatchFaults((_call, index) => (index === 1 || index === 4 ? days : undefined));
    await bench.batches.wait(id);
    expect(await all(bench.batches.results(id))).toHaveLength(1);
    expect(bench.pauses).toEqual([3_600_000, 3_600_000]);
  });

  test("ends at its time even while a look hangs, and by its signal; the batch goes on", async () => {
    await using bench = await setup({}, { batchPolls: 100 });
    const { id } = await bench.batches.create([ask("a")]);
    bench.fake.setBatchFaults(() => {
      void bench.virtual.advance(7_200_000);
      return { hang: true };
    });
    await expect(bench.batches.wait(id, { timeoutMs: 7_200_000 })).rejects.toMatchObject({ code: "WAIT_ABORTED" });
    await expect(bench.batches.wait(id, { signal: AbortSignal.abort("enough") })).rejects.toMatchObject({ code: "WAIT_ABORTED" });
    bench.fake.setBatchFaults(undefined);
    expect(await bench.batches.get(id)).toMatchObject({ status: "in_progress" });
  });

  test("a status that is not known yet is not the end", async () => {
    await using bench = await setup({}, { batchPolls: 0 });
    const { id } = await bench.batches.create([ask("a")]);
    const fetch = changing(/batches/, async (response, nth) =>
      nth > 1 ? response : Response.json({ ...Object(await response.json()), processing_status: "queued" }),
    );
    const batches = createMessageBatches({ env: bench.env, clock: bench.clock, fetch });
    expect(await batches.wait(id)).toMatchObject({ status: "ended" });
    expect(bench.pauses).toEqual([5_000]);
  });

  test("a time that no timer can hold is refused", async () => {
    await using bench = await setup();
    const wait = bench.batches.wait("msgbatch_1", { timeoutMs: 30 * 24 * 3_600_000 });
    await expect(wait).rejects.toMatchObject({ code: "INPUT_INVALID", at: "timeoutMs" });
  });

  test("does not wait for what waiting does not mend", async () => {
    await using bench = await setup();
    await expect(bench.batches.wait("msgbatch_unknown")).rejects.toMatchObject({ code: "MODEL_CALL_FAILED" });
    expect(bench.fake.batchCalls).toHaveLength(1);
  });
});

describe("results", () => {
  test("each is matched by its customId, whatever the order: answered, refused, failed, expired", async () => {
    await using bench = await setup(
      {},
      {
        reply: ({ lastUserText }) => {
          if (lastUserText === "wrong") return { status: 400, errorMessage: "messages: wrong, sk-secret-123456" };
          if (lastUserText === "unlucky") return { status: 500 };
          return lastUserText === "late" ? { hang: true } : { text: `You said ${lastUserText}` };
        },
      },
    );
    const id = await bench.ended(ask("a", "one"), ask("b", "wrong"), ask("c", "unlucky"), ask("d", "late"));
    expect(await all(bench.batches.results(id))).toMatchObject([
      { customId: "d", type: "expired" },
      { customId: "c", type: "errored", errorType: "api_error", code: "MODEL_UNAVAILABLE", isTransient: true },
      {
        customId: "b",
        type: "errored",
        errorType: "invalid_request_error",
        message: "messages: wrong, [redacted]",
        code: "MODEL_CALL_FAILED",
        isTransient: false,
      },
      { customId: "a", type: "succeeded", message: { model: "claude-x", content: [{ type: "text", text: "You said one" }] } },
    ]);
  });

  test("are asked for by path: a results_url that leads elsewhere gets no request", async () => {
    await using elsewhere = await setup();
    await using bench = await setup({}, { resultsOrigin: elsewhere.fake.origin });
    const id = await bench.ended(ask("a"));
    expect(await all(bench.batches.results(id))).toHaveLength(1);
    expect(elsewhere.fake.batchCalls).toEqual([]);
  });

  test("cost half of the table's price, cache and all; without a price the cost is unknown", async () => {
    const usage = { inputTokens: 1_000, cachedInputTokens: 400, cacheWriteInputTokens: 300, outputTokens: 50 };
    const reply = () => ({ text: "x", usage });
    const prices = {
      "anthropic/claude-x": { input: 3, cachedInput: 0.3, cacheWriteInput: 3.75, output: 15 },
      "anthropic/claude-y": { input: 3, output: 15 },
    };
    await using bench = await setup({ prices }, { reply });
    const asked = ["claude-x", "claude-x-20260101", "claude-y", "claude-z"].map((model, index) =>
      ask(`m${index}`, "hi", { model: `anthropic/${model}` }),
    );
    const results = await all(bench.batches.results(await bench.ended(...asked)));
    const costs = results.toReversed().map((result) => (result.type === "succeeded" ? [result.costMicroUsd, result.usage] : undefined));
    // (300 × 3 + 400 × 0.3 + 300 × 3.75 + 50 × 15) / 2
    expect(costs).toEqual([
      [1_448, usage],
      [1_448, usage],
      [undefined, usage],
      [undefined, usage],
    ]);
  });

  const hourPriced = { input: 3, cacheWriteInput: 3.75, cacheWrite1hInput: 6, output: 15 };
  test.each<[what: string, usage: Record<string, unknown>, costMicroUsd: number | undefined, price?: ModelPrice]>([
    ["nothing but tokens", { inference_geo: "not_available", server_tool_use: { web_search_requests: 0 } }, 1_575],
    ["a search of the web, by the piece", { server_tool_use: { web_search_requests: 2 } }, undefined],
    ["a page that was fetched, which is free", { server_tool_use: { web_search_requests: 0, web_fetch_requests: 2 } }, 1_575],
    ["an answer in the US, which costs more", { inference_geo: "us" }, undefined],
    ["an hour in the cache without a price for it", { cache_creation: { ephemeral_1h_input_tokens: 400 } }, undefined],
    // (1,000 × 3 + 100 × 3.75 + 400 × 6 + 10 × 15) / 2
    [
      "an hour in the cache at its price",
      { cache_creation_input_tokens: 500, cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 400 } },
      2_963,
      hourPriced,
    ],
  ])("have no cost that leaves a charge out: %s", async (_what, usage, costMicroUsd, price = { input: 3, output: 15 }) => {
    await using bench = await setup({}, { reply: () => ({ text: "x", usage: { inputTokens: 1_000, outputTokens: 10 } }) });
    const id = await bench.ended(ask("a"));
    const fetch = changing(/results$/, async (response) => {
      const result = Object(JSON.parse(await response.text()));
      Object.assign(result.result.message.usage, usage);
      return new Response(JSON.stringify(result));
    });
    const batches = createMessageBatches({ env: bench.env, clock: bench.clock, prices: { "anthropic/claude-x": price }, fetch });
    expect(await all(batches.results(id))).toMatchObject([{ costMicroUsd }]);
  });

  test("cost what the table says of the model's own name, and not of an alias that ends like it", async () => {
    const models = { "my-claude-x": "anthropic/claude-x" };
    const prices = { "anthropic/claude-x": { input: 2, output: 0 }, "my-claude-x": { input: 9, output: 0 } };
    await using bench = await setup({ models, prices }, { reply: () => ({ text: "x", usage: { inputTokens: 1_000, outputTokens: 10 } }) });
    expect(await all(bench.batches.results(await bench.ended(ask("a"))))).toMatchObject([{ costMicroUsd: 1_000 }]);
  });

  test.each([{ status: 529 }, { status: 429, headers: { "retry-after": "100" } }, { reset: true }])(
    "outwait a provider that is away already when it is asked whether the batch has ended (%o)",
    async (fault) => {
      await using bench = await setup();
      const id = await bench.ended(ask("a"));
      const asked = bench.fake.batchCalls.length;
      bench.fake.setBatchFaults((_call, index) => (index === asked ? fault : undefined));
      expect(await all(bench.batches.results(id))).toMatchObject([{ customId: "a", type: "succeeded" }]);
      expect(bench.pauses).toEqual(["headers" in fault ? 100_000 : 2_000]);
      bench.fake.setBatchFaults(() => fault);
      await expect(all(bench.batches.results(id))).rejects.toMatchObject({
        code: "headers" in fault ? "MODEL_RATE_LIMITED" : "MODEL_UNAVAILABLE",
      });
    },
  );

  test("of a batch that has not ended, or is archived, are an error that says so", async () => {
    await using bench = await setup({}, { batchPolls: 1 });
    const { id } = await bench.batches.create([ask("a")]);
    await expect(all(bench.batches.results(id))).rejects.toMatchObject({ code: "MESSAGE_BATCH_LIVE" });
    const archived = changing(/batches\/\w+$/, async (response) =>
      Response.json({ ...Object(await response.json()), archived_at: "2026-11-22T10:00:00+01:00" }),
    );
    const later = createMessageBatches({ env: bench.env, fetch: archived });
    await expect(all(later.results(id))).rejects.toMatchObject({
      code: "MESSAGE_BATCH_ARCHIVED",
      message: expect.stringContaining("2026-11-22T09:00:00.000Z") as unknown,
    });
  });

  test.each([20, 250, 700])("that break off after %i characters are taken up again, and none comes twice", async (cut) => {
    await using bench = await setup();
    const id = await bench.ended(...["a", "b", "c", "d"].map((customId) => ask(customId)));
    bench.fake.setBatchFaults(({ path }, index) => (path.endsWith("/results") && index < 7 ? { cut } : undefined));
    const results = await all(bench.batches.results(id));
    expect(results.map(({ customId }) => customId)).toEqual(["d", "c", "b", "a"]);
    expect(bench.fake.batchCalls.filter(({ path }) => path.endsWith("/results")).length).toBeGreaterThan(2);
  });

  test("that come in another order the second time are told once each", async () => {
    await using bench = await setup();
    const id = await bench.ended(ask("a"), ask("b"), ask("c"));
    const { batches } = withResults(bench, (text, nth) => {
      const lines = text.trimEnd().split("\n");
      return nth === 1 ? `${lines[0] ?? ""}\n${lines[0] ?? ""}\n${(lines[1] ?? "").slice(0, 40)}` : lines.toReversed().join("\r\n");
    });
    expect((await all(batches.results(id))).map(({ customId }) => customId)).toEqual(["c", "a", "b"]);
  });

  test("that keep ending early are an error, after all that came", async () => {
    await using bench = await setup();
    const id = await bench.ended(ask("a"), ask("b"));
    const { batches, asked } = withResults(bench, (text) => `${text.split("\n")[0] ?? ""}\n`);
    const found: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { customId } of batches.results(id)) found.push(customId);
    };
    await expect(read()).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE", message: expect.stringContaining("1 of 2") as unknown });
    expect(found).toEqual(["b"]);
    expect(asked).toHaveLength(6);
    expect(bench.pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  });

  test("with lines that nobody can read are told but for those, and then there is an error that does not quote them", async () => {
    await using bench = await setup();
    const id = await bench.ended(ask("a"), ask("b"), ask("c"));
    const { batches } = withResults(bench, (text) => text.replace('"custom_id":"b"', '"other":"secret"'));
    const found: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { customId } of batches.results(id)) found.push(customId);
    };
    const refused = read();
    await expect(refused).rejects.toMatchObject({
      code: "MESSAGE_BATCH_UNREADABLE",
      message: expect.stringContaining("line 2") as unknown,
    });
    await expect(refused).rejects.not.toThrow(/secret/);
    expect(found).toEqual(["c", "a"]);
  });

  test("that somebody stops reading close their connection; a signal ends them with its reason", async () => {
    await using bench = await setup();
    const id = await bench.ended(ask("a"), ask("b"));
    const closed: string[] = [];
    const fetch = changing(/results$/, async (response) => {
      const text = new TextEncoder().encode(await response.text());
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(text),
          cancel: () => void closed.push("closed"),
        }),
      );
    });
    const batches = createMessageBatches({ env: bench.env, clock: bench.clock, fetch });
    for await (const { customId } of batches.results(id)) {
      expect(customId).toBe("b");
      break;
    }
    await expect.poll(() => closed).toEqual(["closed"]);
    const enough = new AbortController();
    bench.fake.setBatchFaults(({ path }) => {
      if (!path.endsWith("/results")) return undefined;
      enough.abort("enough");
      return { hang: true };
    });
    await expect(all(bench.batches.results(id, { signal: enough.signal }))).rejects.toBe("enough");
  });
});
