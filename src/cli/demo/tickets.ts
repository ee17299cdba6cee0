/** The demo's input: tickets, one JSON object per line. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { FleetError } from "../../protocol/errors.ts";

const ticketSchema = z.object({
  id: z.string().min(1).max(128),
  from: z.string().max(320).optional(),
  subject: z.string().max(1_000).optional(),
  text: z.string().min(1).max(100_000),
});
export type Ticket = z.infer<typeof ticketSchema>;

/** @throws FleetError INPUT_INVALID with file and line. */
export async function readTickets(file: string): Promise<Ticket[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new FleetError("INPUT_INVALID", `The tickets could not be read from ${file}.`, {
      at: file,
      cause: error,
      remedy: "name a JSONL file with --tickets",
    });
  }
  const tickets = text
    .split("\n")
    .map((line, index) => ({ line, at: `${file}:${index + 1}` }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, at }) => parseTicket(line, at));
  const ids = new Set(tickets.map(({ id }) => id));
  if (tickets.length > 0 && ids.size === tickets.length) return tickets;
  throw new FleetError(
    "INPUT_INVALID",
    tickets.length === 0 ? `Expected tickets in ${file}; it is empty.` : `Expected each ticket's id once in ${file}.`,
    { at: file },
  );
}

function parseTicket(line: string, at: string): Ticket {
  try {
    return ticketSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new FleetError("INPUT_INVALID", 'Expected a ticket such as {"id":"t-1","subject":"…","text":"…"}.', { at, cause: error });
  }
}

/** What the triage agent is given. */
export const ticketText = ({ id, from, subject, text }: Ticket): string =>
  [`Ticket ${id}`, from === undefined ? undefined : `From: ${from}`, subject === undefined ? undefined : `Subject: ${subject}`, "", text]
    .filter((line) => line !== undefined)
    .join("\n");
