/** A day's mail of a shop for smart lamps and thermostats, and the orders that its writers talk about. */
import { readFileSync } from "node:fs";
import { z } from "zod";

export const ticketSchema = z.strictObject({ id: z.string(), from: z.string(), subject: z.string(), text: z.string() });
export type Ticket = z.infer<typeof ticketSchema>;

export const orderSchema = z.strictObject({
  id: z.string(),
  customer: z.string(),
  product: z.string(),
  amountCents: z.int().positive(),
  /** How often the amount was taken from the customer's account. */
  charges: z.int().min(0),
});
export type Order = z.infer<typeof orderSchema>;

export const readTickets = (): readonly Ticket[] => readLines("tickets.jsonl", ticketSchema);

let orders: readonly Order[] | undefined;
/** Stands for a shop's database. */
export const readOrders = (): readonly Order[] => {
  orders ??= readLines("orders.jsonl", orderSchema);
  return orders;
};

/** A ticket as the run's input. */
export const toInput = ({ id, from, subject, text }: Ticket): string => `Ticket ${id}\nFrom: ${from}\nSubject: ${subject}\n\n${text}`;

function readLines<Line>(file: string, schema: z.ZodType<Line>): readonly Line[] {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => schema.parse(JSON.parse(line)));
}
