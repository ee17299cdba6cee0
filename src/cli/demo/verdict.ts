/**
 * What the demo proves, counted from outside the fleet: answers that the provider served, lines that the tool's effect left in a file,
 * results that were written. The fleet's own books are only the other side of each sum.
 */
import { plural } from "../io.ts";

export interface DemoRow {
  readonly ticket: string;
  readonly runId: string;
  readonly status: string;
  readonly agent: string;
  /** Model calls that the run's record counts. */
  readonly requests: number;
  readonly refundedCents: number;
}

/** One line of the effects' file. */
export interface DemoEffect {
  readonly key: string;
  readonly ticket: string;
  readonly amountCents: number;
}

export interface DemoEvidence {
  readonly tickets: readonly string[];
  readonly rows: readonly DemoRow[];
  /** Whole answers of the provider; undefined when the provider is a real one, which nobody here counts. */
  readonly served: number | undefined;
  readonly effects: readonly DemoEffect[];
  /** Calls that may have been in flight in the killed worker: its slots, or 0 when none was killed. */
  readonly inFlightAtKill: number;
}

export interface Check {
  readonly ok: boolean;
  readonly text: string;
}

export function judge(evidence: DemoEvidence): Check[] {
  return [oneResultEach(evidence), allCompleted(evidence), noCallTwice(evidence), noEffectTwice(evidence), effectsAsTold(evidence)];
}

function oneResultEach({ tickets, rows }: DemoEvidence): Check {
  const perTicket = new Map(tickets.map((ticket) => [ticket, 0]));
  for (const { ticket } of rows) perTicket.set(ticket, (perTicket.get(ticket) ?? 0) + 1);
  const known = new Set(tickets);
  const wrong = [...perTicket].filter(([id, count]) => count !== 1 || !known.has(id));
  return {
    ok: wrong.length === 0,
    text: `${plural(tickets.length, "ticket")}, ${plural(rows.length, "result")}${wrong.length === 0 ? ", one each" : `; not one each: ${wrong.map(([id]) => id).join(", ")}`}`,
  };
}

function allCompleted({ rows }: DemoEvidence): Check {
  const others = rows.filter(({ status }) => status !== "completed");
  return {
    ok: others.length === 0,
    text:
      others.length === 0
        ? "every run completed"
        : `not completed: ${others.map(({ ticket, status }) => `${ticket} ${status}`).join(", ")}`,
  };
}

function noCallTwice({ rows, served, inFlightAtKill }: DemoEvidence): Check {
  const counted = rows.reduce((sum, { requests }) => sum + requests, 0);
  if (served === undefined)
    return { ok: true, text: `${plural(counted, "model call")} by the fleet's own count (a real provider is not counted from here)` };
  const repeated = served - counted;
  const text = `the provider served ${plural(served, "answer")}, the fleet holds ${counted}: ${repeated} made again`;
  if (repeated >= 0 && repeated <= inFlightAtKill)
    return { ok: true, text: repeated === 0 ? text : `${text}, in flight at the kill (at most ${inFlightAtKill})` };
  return { ok: false, text: `${text}, where at most ${inFlightAtKill} were in flight at a kill` };
}

function noEffectTwice({ effects }: DemoEvidence): Check {
  const keys = new Set(effects.map(({ key }) => key));
  const twice = effects.length - keys.size;
  return {
    ok: twice === 0,
    text: `${plural(effects.length, "refund")} in the tool's own file, ${twice === 0 ? "none twice" : `${twice} TWICE`}`,
  };
}

function effectsAsTold({ rows, effects }: DemoEvidence): Check {
  const paid = new Map<string, number>();
  for (const { ticket, amountCents } of effects) paid.set(ticket, (paid.get(ticket) ?? 0) + amountCents);
  const wrong = rows.filter(({ ticket, refundedCents }) => (paid.get(ticket) ?? 0) !== refundedCents);
  return {
    ok: wrong.length === 0,
    text:
      wrong.length === 0
        ? "every answer tells the refund that was made"
        : `answers that tell another refund: ${wrong.map(({ ticket }) => ticket).join(", ")}`,
  };
}
