/** What model calls add up to, by day. */
import { describe, expect, test } from "vitest";
import { dayOf, numbersOf, type Tally, tallyOfCall, TOTALS, type TotalsRow } from "../../src/protocol/totals.ts";
import { begin, fact, LEASE_MS, running, submission, usage } from "./run-store-fixture.ts";
import type { OpenStore, StoreUnderTest } from "./run-store-fixture.ts";

const receipt = { provider: "p", costSource: "prices", costMicroUsd: 2_895, cacheWriteInputTokens: 3 } as const;
const tally = (more: Partial<Tally> = {}): Tally => ({
  tenant: "acme",
  agent: "triage",
  version: "1",
  model: "m",
  tags: [],
  numbers: tallyOfCall({ ...usage, cacheWriteInputTokens: 3 }, receipt, 120),
  ...more,
});

export function totalsSuite(open: OpenStore): void {
  const setup = async (): Promise<StoreUnderTest & { readonly today: () => Promise<TotalsRow[]> }> => {
    const opened = await open();
    const day = dayOf(await opened.nowMs());
    return { ...opened, today: () => opened.store.totals({ from: day, to: day }) };
  };

  describe("totals", () => {
    test("I4 a call is added up once: not when it is sent again, nor when another attempt answers the same place", async () => {
      const { store, advance, today } = await setup();
      const runId = await running(store);
      const recorded = fact(runId, { tally: tally() });
      await store.record(recorded);
      await store.record(recorded);
      await advance(2 * LEASE_MS);
      await begin(store, runId, "b");
      await store.record({ ...recorded, token: "b" });
      const [row, ...others] = await today();
      expect(others).toEqual([]);
      expect(row).toMatchObject({ tenant: "acme", agent: "triage", version: "1", model: "m" });
      expect(numbersOf(row?.numbers ?? [])).toEqual({
        calls: 1,
        unknownCostCalls: 0,
        inputTokens: 10,
        cachedInputTokens: 4,
        cacheWriteInputTokens: 3,
        outputTokens: 5,
        reasoningTokens: 2,
        proxyMicroUsd: 0,
        pricesMicroUsd: 2_895,
        latencies: [0, 0, 0, 1],
      });
    });

    test("I2 what a superseded attempt paid for first is added up", async () => {
      const { store, advance, today } = await setup();
      const runId = await running(store);
      await advance(2 * LEASE_MS);
      await begin(store, runId, "b");
      await store.record(fact(runId, { tally: tally() }));
      await store.record(fact(runId, { token: "b", tally: tally() }));
      expect((await today()).map(({ numbers }) => numbersOf(numbers).calls)).toEqual([1]);
    });

    test("I7 a call of unknown cost is counted as that, and large sums stay exact", async () => {
      const { store, today } = await setup();
      const runId = await running(store);
      const dear = { ...receipt, costSource: "proxy", costMicroUsd: 4_000_000_000_000_000 } as const;
      const large = { ...usage, inputTokens: 3_000_000_000_000_001 };
      for (const [index, known] of [dear, dear, undefined].entries())
        await store.record(fact(runId, { key: `m:${index}`, tally: tally({ numbers: tallyOfCall(large, known, 10 ** index) }) }));
      expect(numbersOf((await today())[0]?.numbers ?? [])).toMatchObject({
        calls: 3,
        unknownCostCalls: 1,
        inputTokens: 9_000_000_000_000_003,
        proxyMicroUsd: 8_000_000_000_000_000,
        pricesMicroUsd: 0,
        latencies: [2, 0, 1],
      });
    });

    test("I9 a day has so many rows: what comes after them is added to one row of everything else", async () => {
      const { store, today } = await setup();
      const runId = await running(store);
      const send = (index: number): Promise<unknown> =>
        store.record(fact(runId, { key: `m:${index}`, event: undefined, tally: tally({ model: `m${index}`, numbers: [1, 0, 10] }) }));
      for (let from = 0; from < TOTALS.rowsPerDay + 5; from += 100)
        await Promise.all(Array.from({ length: Math.min(100, TOTALS.rowsPerDay + 5 - from) }, (_, index) => send(from + index)));
      await store.record(fact(runId, { key: "m:again", event: undefined, tally: tally({ model: "m0", numbers: [1, 0, 10] }) }));
      const rows = await today();
      expect(rows).toHaveLength(TOTALS.rowsPerDay + 1);
      const other = rows.find(({ tenant }) => tenant === "*");
      expect(other).toMatchObject({ agent: "*", version: "*", model: "*", numbers: [5, 0, 50] });
      expect(rows.find(({ model }) => model === "m0")?.numbers).toEqual([2, 0, 20]);
    });

    test("I9 many tags take no row from tenants and agents: what comes after their share is added to rows without them", async () => {
      const { store, today } = await setup();
      const runId = await running(store);
      const send = (index: number, more: Partial<Tally>): Promise<unknown> =>
        store.record(fact(runId, { key: `m:${index}`, event: undefined, tally: tally({ numbers: [1, 0, 10], ...more }) }));
      for (let from = 0; from < TOTALS.taggedRowsPerDay; from += 100)
        await Promise.all(Array.from({ length: 100 }, (_, index) => send(from + index, { tags: [`t${from + index}`, "x"] })));
      await send(1_000, { tags: ["t0", "x"] });
      await send(1_001, { tags: ["late"] });
      await send(1_002, { tags: ["later"] });
      await send(1_003, { tags: ["late"], tenant: "other" });
      await send(1_004, { tags: [], tenant: "plain" });
      const rows = await today();
      expect(rows).toHaveLength(TOTALS.taggedRowsPerDay + 3);
      const numbersAt = (tenant: string, ...tags: string[]) =>
        rows.find((row) => row.tenant === tenant && row.tags.join() === tags.join())?.numbers;
      expect(numbersAt("acme", "t0", "x")).toEqual([2, 0, 20]);
      expect(numbersAt("acme", "*")).toEqual([2, 0, 20]);
      expect(numbersAt("other", "*")).toEqual([1, 0, 10]);
      expect(numbersAt("plain")).toEqual([1, 0, 10]);
    });

    test("a run's tags are in its record, and told to each attempt", async () => {
      const { store } = await setup();
      const tagged = submission({ tags: ["nightly", "project/7"] });
      await store.submit(tagged);
      expect(await store.get(tagged.runId)).toMatchObject({ tags: tagged.tags });
      expect(await store.list({ limit: 1 })).toMatchObject([{ tags: tagged.tags }]);
      expect((await begin(store, tagged.runId, "a")).tags).toEqual(tagged.tags);
      const plain = submission();
      await store.submit(plain);
      expect(await store.get(plain.runId)).not.toHaveProperty("tags");
      expect((await begin(store, plain.runId, "a")).tags).toEqual([]);
    });

    test("I11 what stands under a tenant's name can be deleted, and only that", async () => {
      const { store, today } = await setup();
      const runId = await running(store);
      for (const [index, tenant] of ["acme", "acme.b", "acme"].entries())
        await store.record(fact(runId, { key: `m:${index}`, tally: tally({ tenant, model: `m"${index}\n` }) }));
      await store.forgetTotals("acme");
      expect((await today()).map(({ tenant, model }) => [tenant, model])).toEqual([["acme.b", 'm"1\n']]);
    });
  });
}
