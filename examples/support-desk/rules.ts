/**
 * The desk's model, for when there is none: what a fake provider answers. Everything follows from the ticket's own words, so that the
 * same ticket always takes the same way, on any worker and after any crash.
 */
import { z } from "zod";
import type { FakeCall, FakeReply } from "../../src/testing/fake-provider.ts";
import { MAX_REFUND_CENTS, type Resolution, TEAMS } from "./agents.ts";
import { greetingFor, textFor } from "./replies.ts";
import { type Order, orderSchema } from "./tickets.ts";

type Team = (typeof TEAMS)[number];

export function reply(call: FakeCall): FakeReply {
  const ticket = parseTicket(call.lastUserText);
  const desk = TEAMS.find((team) => call.instructions.startsWith(`Desk: ${team}`));
  if (desk === "triage") return triageReply(call, ticket);
  if (desk === "billing") return billingReply(call, ticket);
  if (desk === "refunds") return refundsReply(call, ticket);
  return answer(ticket, desk ?? "triage", 0);
}

interface Words {
  readonly id: string;
  readonly from: string;
  /** Subject and text in lower case. */
  readonly words: string;
}

const parseTicket = (input: string): Words => ({
  id: /^Ticket (\S+)/m.exec(input)?.[1] ?? "T-0",
  from: /^From: (\S+)/m.exec(input)?.[1] ?? "",
  words: input.replace(/^(Ticket|From:) .*$/gm, "").toLowerCase(),
});

/** Words that speak for a team. A word counts once, however often it is said. */
const SIGNS: readonly (readonly [Exclude<Team, "triage">, RegExp])[] = [
  [
    "refunds",
    /refund|money back|charged twice|rembours|reembolso|erstatt|geld zurück|terugbetal|geld terug|dinero de vuelta|identical lines|cancel it|sent it back|zurückgeschickt|stolen parcel|second one matters/g,
  ],
  [
    "billing",
    /invoice|rechnung|factur|fattura|payment|pay |paid|billed|vat\b|tva|checkout|price|card|charge|mahnung|direct debit|receipt|instalments|statement|9[.,]99|discount|\bplan\b|\btax/g,
  ],
  [
    "account",
    /log ?in|password|passwor[td]|account|compte|gdpr|rgpd|codes?\b|verif|two-factor|newsletter|user rights|email|sesión|accesso|locked|personal data|cuenta/g,
  ],
  [
    "technical",
    /offline|wifi|wlan|firmware|update|mise à jour|actualización|app\b|sensor|pair|flicker|error|e17|buzzing|batter|sound|conecta|broken|fault|hub|camera|thermostat|button|lamp|light|led\b|siren|turn it on|matter\b|schakelaar|marche pas|fit\b|notification|heizung|upside down|voice assistant/g,
  ],
];

/** One clear request for money back outweighs everything else a ticket mentions. */
const WEIGHTS = { refunds: 7, billing: 2, account: 2, technical: 1 } as const;

const NO_TEAM =
  /thank you!|\bdanke\b|\bmerci beaucoup\b|seo|coins|interview|open positions|showroom|ship to|lighthouse|tombola|recycling|no question/;

/** Which team a ticket's words speak for; `triage` when they speak for none. */
export function teamFor(words: string): Team {
  if (NO_TEAM.test(words)) return "triage";
  const scores = SIGNS.map(([team, signs]) => [team, WEIGHTS[team] * new Set(words.match(signs)).size] as const);
  const best = Math.max(...scores.map(([, score]) => score));
  // On a draw the order of SIGNS decides: money first.
  return best === 0 ? "triage" : (scores.find(([, score]) => score === best)?.[0] ?? "triage");
}

function triageReply(call: FakeCall, ticket: Words): FakeReply {
  const team = teamFor(ticket.words);
  const handoff = `transfer_to_${team}`;
  if (!call.handoffs.includes(handoff)) return answer(ticket, "triage", 0);
  return { text: `${ticket.id} is for ${team}.`, toolCalls: [{ name: handoff, arguments: {} }] };
}

function billingReply(call: FakeCall, ticket: Words): FakeReply {
  const orders = readFound(call);
  if (orders === undefined) return lookUp(ticket);
  const isTwice = orders.some(({ charges }) => charges > 1);
  if (isTwice && call.handoffs.includes("transfer_to_refunds")) {
    return { text: `${ticket.id} was charged twice.`, toolCalls: [{ name: "transfer_to_refunds", arguments: {} }] };
  }
  return answer(ticket, "billing", 0);
}

function refundsReply(call: FakeCall, ticket: Words): FakeReply {
  const orders = readFound(call);
  if (orders === undefined) return lookUp(ticket);
  const paid = call.toolResults.find(({ name }) => name === "issue_refund");
  if (paid !== undefined) return answer(ticket, "refunds", readPaidCents(paid.output));
  const order = orders.find(({ id }) => ticket.words.includes(id.toLowerCase())) ?? orders[0];
  const amountCents = order === undefined ? 0 : toRefundCents(ticket.words, order);
  if (order === undefined || amountCents > MAX_REFUND_CENTS) return answer(ticket, "refunds", 0);
  return { toolCalls: [{ name: "issue_refund", arguments: { ticketId: ticket.id, orderId: order.id, amountCents } }] };
}

const lookUp = (ticket: Words): FakeReply => ({ toolCalls: [{ name: "find_orders", arguments: { customer: ticket.from } }] });

const foundSchema = z.array(orderSchema);

/** Undefined until the tool has answered. */
function readFound(call: FakeCall): readonly Order[] | undefined {
  const found = call.toolResults.find(({ name }) => name === "find_orders");
  return found === undefined ? undefined : foundSchema.parse(JSON.parse(found.output));
}

const paidSchema = z.object({ status: z.string(), amountCents: z.int().optional() });

const readPaidCents = (output: string): number => paidSchema.parse(JSON.parse(output)).amountCents ?? 0;

/** The smallest amount the ticket names that one charge covers: "60 EUR of the 120 I paid" asks for 60. */
export function toRefundCents(words: string, order: Order): number {
  if (order.charges > 1) return order.amountCents;
  const named = [...words.matchAll(/(\d[\d,]*(?:[.,]\d{2})?)\s*eur\b/g)].map(([, amount = ""]) => toCents(amount));
  const possible = named.filter((cents) => cents > 0 && cents <= order.amountCents);
  return possible.length === 0 ? order.amountCents : Math.min(...possible);
}

/** Reads 49.90, 89,00, 1,068.00 and 60. */
function toCents(amount: string): number {
  const [, whole = "", cents = "00"] = /^(.*?)(?:[.,](\d{2}))?$/.exec(amount) ?? [];
  return Number(whole.replace(/[.,]/g, "")) * 100 + Number(cents);
}

function answer({ id, words }: Words, team: Team, refundedCents: number): FakeReply {
  const { category, text } = textFor(team, words, refundedCents);
  const resolution: Resolution = { ticketId: id, team, category, reply: `${greetingFor(words)} ${text}`, refundedCents };
  return { text: JSON.stringify(resolution) };
}
