/** The desk: triage reads each ticket and hands it to one of four specialists. Plain SDK agents; only the tools say what a crash means. */
import { Agent, type RunContext, tool } from "@openai/agents";
import { z } from "zod";
import { currentCall, toolPolicy } from "../../src/index.ts";
import { payBack } from "./refund-ledger.ts";
import { readOrders } from "./tickets.ts";

export const TEAMS = ["triage", "billing", "technical", "account", "refunds"] as const;

/** What every specialist ends with. */
export const resolutionSchema = z.object({
  ticketId: z.string(),
  team: z.enum(TEAMS),
  category: z.string(),
  reply: z.string(),
  refundedCents: z.int(),
});
export type Resolution = z.infer<typeof resolutionSchema>;

export interface DeskContext {
  /** Where refunds are written. */
  readonly refundsFile: string;
}

/** Refunds above this need a person. */
export const MAX_REFUND_CENTS = 50_000;

/** Reads only, so it may run again after a crash. */
const findOrders = toolPolicy(
  tool({
    name: "find_orders",
    description: "Finds the orders of a customer by the address they write from.",
    parameters: z.object({ customer: z.string() }),
    execute: ({ customer }) => JSON.stringify(readOrders().filter((order) => order.customer === customer)),
  }),
  { onCrash: "idempotent" },
);

/** Moves money. It may run again because the ledger drops a repeated key, and the fleet gives every repetition the same key. */
const issueRefund = toolPolicy(
  tool({
    name: "issue_refund",
    description: "Pays money back to the customer's card. Call it at most once for a ticket.",
    parameters: z.object({ ticketId: z.string(), orderId: z.string(), amountCents: z.int().positive() }),
    execute: async ({ ticketId, orderId, amountCents }, context?: RunContext<DeskContext>) => {
      const order = readOrders().find(({ id }) => id === orderId);
      if (order === undefined) return JSON.stringify({ status: "refused", why: "no such order" });
      if (amountCents > Math.min(order.amountCents, MAX_REFUND_CENTS))
        return JSON.stringify({ status: "refused", why: "a person must decide" });
      const key = currentCall()?.idempotencyKey ?? `${ticketId}/${orderId}`;
      const isPaid = await payBack(context?.context.refundsFile ?? "refunds.jsonl", { key, ticket: ticketId, amountCents });
      return JSON.stringify({ status: isPaid ? "refunded" : "already refunded", amountCents });
    },
  }),
  { onCrash: "idempotent" },
);

const MODEL = "gpt-5.4-mini";

/** The first line names the desk: people, and the fake model's rules, tell the agents apart by it. */
const instructionsFor = (desk: (typeof TEAMS)[number], ...lines: readonly string[]): string =>
  [
    `Desk: ${desk}`,
    "You work for Harborline, a shop for smart lamps, cameras, sensors and thermostats. The input is one customer's ticket.",
    ...lines,
    "Answer in the customer's language, kindly and in at most six sentences. Promise nothing that you have not done.",
  ].join("\n");

export const refunds = new Agent<DeskContext, typeof resolutionSchema>({
  name: "refunds",
  handoffDescription: "The customer wants money back, or was charged twice.",
  model: MODEL,
  outputType: resolutionSchema,
  tools: [findOrders, issueRefund],
  instructions: instructionsFor(
    "refunds",
    "Look the order up first. Refund what was charged too much, or what the customer asks for, never more than one charge of the order.",
    `Above ${MAX_REFUND_CENTS / 100} EUR, or without an order, refund nothing and say that a colleague will decide.`,
  ),
});

export const billing = new Agent<DeskContext, typeof resolutionSchema>({
  name: "billing",
  handoffDescription: "Invoices, prices, payments and subscriptions; no money back.",
  model: MODEL,
  outputType: resolutionSchema,
  tools: [findOrders],
  handoffs: [refunds],
  instructions: instructionsFor("billing", "Look the order up. If it was charged more than once, hand the ticket to refunds."),
});

export const technical = new Agent<DeskContext, typeof resolutionSchema>({
  name: "technical",
  handoffDescription: "Something does not work, or how to use it.",
  model: MODEL,
  outputType: resolutionSchema,
  instructions: instructionsFor(
    "technical",
    "Name the likeliest cause and one thing to try, in steps. Ask for exactly one fact if you need one.",
  ),
});

export const account = new Agent<DeskContext, typeof resolutionSchema>({
  name: "account",
  handoffDescription: "Logins, personal data, users and their rights.",
  model: MODEL,
  outputType: resolutionSchema,
  instructions: instructionsFor(
    "account",
    "Never change a login on the word of an email: name the page on which the customer does it themselves.",
  ),
});

export const triage = new Agent<DeskContext, typeof resolutionSchema>({
  name: "triage",
  model: MODEL,
  outputType: resolutionSchema,
  handoffs: [refunds, billing, technical, account],
  instructions: instructionsFor(
    "triage",
    "Hand the ticket to the one team that can do most about it. With two problems, money back goes first.",
    "Answer thanks, advertising and questions for no team yourself, as team triage.",
  ),
});
