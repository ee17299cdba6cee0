/** The support desk without a fleet: plain SDK agents, the fake provider with the desk's rules, the whole day's mail. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenAIProvider, Runner } from "@openai/agents";
import { OpenAI } from "openai";
import { describe, expect, test } from "vitest";
import { MAX_REFUND_CENTS, type Resolution, resolutionSchema, triage } from "../../../examples/support-desk/agents.ts";
import { fleet } from "../../../examples/support-desk/fleet.ts";
import { payBack, readRefunds } from "../../../examples/support-desk/refund-ledger.ts";
import { reply, teamFor, toRefundCents } from "../../../examples/support-desk/rules.ts";
import { readOrders, readTickets, type Ticket, toInput } from "../../../examples/support-desk/tickets.ts";
import { startFakeProvider } from "../../../src/testing/fake-provider.ts";

async function setup() {
  const provider = await startFakeProvider({ reply, keepsBodies: false });
  const directory = await mkdtemp(join(tmpdir(), "support-desk-"));
  const refundsFile = join(directory, "refunds.jsonl");
  const client = new OpenAI({ apiKey: "k", baseURL: provider.url, maxRetries: 0 });
  const runner = new Runner({ tracingDisabled: true, modelProvider: new OpenAIProvider({ openAIClient: client, useResponses: true }) });
  const work = async (ticket: Ticket) => {
    const result = await runner.run(triage, toInput(ticket), { context: { refundsFile }, stream: true });
    await result.completed;
    return { agent: result.lastAgent?.name, output: resolutionSchema.parse(result.finalOutput) };
  };
  const find = (subject: string): Ticket => {
    const ticket = readTickets().find((candidate) => candidate.subject === subject);
    if (ticket === undefined) throw new Error(`no ticket "${subject}"`);
    return ticket;
  };
  return {
    provider,
    refundsFile,
    work,
    find,
    async [Symbol.asyncDispose]() {
      await provider.close();
      await rm(directory, { recursive: true });
    },
  };
}

const order = (amountCents: number, charges = 1) => ({ id: "H-1", customer: "c", product: "p", amountCents, charges });

test("the mail is more than 120 tickets, no two alike, and every order belongs to somebody who wrote", () => {
  const tickets = readTickets();
  expect(tickets.length).toBeGreaterThanOrEqual(120);
  for (const field of ["id", "text"] as const) expect(new Set(tickets.map((ticket) => ticket[field])).size).toBe(tickets.length);
  const writers = new Set(tickets.map(({ from }) => from));
  expect(readOrders().filter(({ customer }) => !writers.has(customer))).toEqual([]);
});

test("every ticket of the day is answered by the team that ends it, and each refund is in the ledger once", async () => {
  await using desk = await setup();
  const results: Resolution[] = [];
  for (const ticket of readTickets()) {
    const { agent, output } = await desk.work(ticket);
    expect(output).toMatchObject({ ticketId: ticket.id, team: agent });
    results.push(output);
  }
  const counts = Object.groupBy(results, ({ team }) => team);
  for (const team of ["billing", "technical", "account", "refunds", "triage"] as const)
    expect(counts[team]?.length ?? 0).toBeGreaterThan(8);
  const refunded = results.filter(({ refundedCents }) => refundedCents > 0);
  const ledger = await readRefunds(desk.refundsFile);
  const inLedger = new Map(ledger.map(({ ticket, amountCents }) => [ticket, amountCents]));
  expect(ledger).toHaveLength(refunded.length);
  expect(inLedger).toEqual(new Map(refunded.map(({ ticketId, refundedCents }) => [ticketId, refundedCents])));
  expect(refunded.length).toBeGreaterThan(20);
});

describe("a ticket goes the way that its words say", () => {
  test.each([
    ["Broken on arrival", "refunds", 12_900],
    ["Not as described", "refunds", 6_000],
    ["Refund of a large order", "refunds", 0],
    ["Camera offline and charged twice", "refunds", 15_900],
    ["Double billing of the subscription", "refunds", 999],
    ["Rechnung fehlt", "billing", 0],
    ["hub wont pair", "technical", 0],
    ["Supprimer mon compte", "account", 0],
    ["Boost your ranking", "triage", 0],
  ] as const)("%s: %s, %i cents", async (subject, team, refundedCents) => {
    await using desk = await setup();
    expect((await desk.work(desk.find(subject))).output).toMatchObject({ team, refundedCents });
  });
});

test("the ledger drops a repeated key", async () => {
  await using desk = await setup();
  const refund = { key: "r0-x/call-1", ticket: "T-1", amountCents: 100 };
  expect(await payBack(desk.refundsFile, refund)).toBe(true);
  expect(await payBack(desk.refundsFile, refund)).toBe(false);
  expect(await payBack(desk.refundsFile, { ...refund, key: "r0-x/call-2" })).toBe(true);
  expect(await readRefunds(desk.refundsFile)).toHaveLength(2);
});

test("amounts are read as people write them, and never exceed one charge", () => {
  expect(toRefundCents("my 14.90 eur express fee", order(6_480))).toBe(1_490);
  expect(toRefundCents("es waren 89,00 eur", order(8_900))).toBe(8_900);
  expect(toRefundCents("the 1,068.00 eur", order(106_800))).toBe(106_800);
  expect(toRefundCents("60 eur of the 120 i paid", order(12_000))).toBe(6_000);
  expect(toRefundCents("give me 900 eur", order(1_000))).toBe(1_000);
  expect(toRefundCents("159,00 eur twice", order(15_900, 2))).toBe(15_900);
  expect(MAX_REFUND_CENTS).toBeLessThan(106_800);
});

test("words that speak for no team stay with triage", () => {
  expect(teamFor("good morning")).toBe("triage");
});

test("the fleet file names all five agents", async () => {
  await using desk = fleet;
  expect([...desk.catalog.keys()].sort()).toEqual(["account", "billing", "refunds", "technical", "triage"]);
});
