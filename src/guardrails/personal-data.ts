/**
 * Personal data that can be told from other text by its own check digits or form: e-mail addresses, card numbers, IBANs. Names, addresses
 * and phone numbers cannot, and are not looked for: a check that cries at every order number is switched off. All scans take linear time.
 */
import type { ToolOutputGuardrailDefinition } from "@openai/agents";
import { emailsIn } from "./email.ts";
import { ibansIn } from "./iban.ts";
import { cardsIn } from "./payment-card.ts";
import type { Span } from "./span.ts";
import { type TextCheck, textOfValue } from "./text-check.ts";

const SCANS = { email: emailsIn, card: cardsIn, iban: ibansIn } as const;

export type PersonalDataKind = keyof typeof SCANS;
export const PERSONAL_DATA_KINDS: readonly PersonalDataKind[] = ["email", "card", "iban"];

export interface PersonalDataOptions {
  /** Default: all of them. */
  readonly kinds?: readonly PersonalDataKind[];
}

/** What was found, in the order of the text. Spans of different kinds may overlap. */
export function findPersonalData(
  text: string,
  { kinds = PERSONAL_DATA_KINDS }: PersonalDataOptions = {},
): (Span & { readonly kind: PersonalDataKind })[] {
  return kinds.flatMap((kind) => SCANS[kind](text).map((span) => ({ kind, ...span }))).sort((a, b) => a.start - b.start || b.end - a.end);
}

/** What stood glued to one value may be another once that is gone. */
const MAX_PASSES = 4;

/** The text with `[email]`, `[card]` and `[iban]` in place of what was found. */
export function maskPersonalData(text: string, options: PersonalDataOptions = {}): string {
  let masked = text;
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const found = findPersonalData(masked, options);
    if (found.length === 0) break;
    masked = withoutFound(masked, found);
  }
  return masked;
}

function withoutFound(text: string, found: ReturnType<typeof findPersonalData>): string {
  let masked = "";
  let from = 0;
  for (const { kind, start, end } of found) {
    // Overlapping values are one: what the later one has over is masked with the earlier.
    if (start >= from) masked += `${text.slice(from, start)}[${kind}]`;
    from = Math.max(from, end);
  }
  return masked + text.slice(from);
}

/** Finds personal data, and says how much of which kind, never which. */
export function noPersonalData({ name = "personal-data", ...options }: PersonalDataOptions & { readonly name?: string } = {}): TextCheck {
  return {
    name,
    find(text) {
      const counts: Partial<Record<PersonalDataKind, number>> = {};
      for (const { kind } of findPersonalData(text, options)) counts[kind] = (counts[kind] ?? 0) + 1;
      return Object.keys(counts).length === 0 ? undefined : counts;
    },
  };
}

/**
 * Masks what a tool returns before the model reads it: the one place where the SDK lets a guardrail change a content. The journal keeps the
 * tool's result as it was.
 */
export function maskToolOutput({
  name = "mask-personal-data",
  ...options
}: PersonalDataOptions & { readonly name?: string } = {}): ToolOutputGuardrailDefinition {
  const check = noPersonalData(options);
  return {
    type: "tool_output",
    name,
    run: async ({ output }) => {
      const found = await check.find(textOfValue(output));
      if (found === undefined) return { behavior: { type: "allow" } };
      const message = typeof output === "string" ? maskPersonalData(output, options) : maskedJson(output, options);
      return { behavior: { type: "rejectContent", message }, outputInfo: found };
    },
  };
}

/** Masked value by value, so that an escape in the JSON text is not taken for a part of an address. */
function maskedJson(value: unknown, options: PersonalDataOptions): string {
  const masked = JSON.parse(JSON.stringify(value), (_name, member: unknown) => {
    if (typeof member === "string") return maskPersonalData(member, options);
    if (typeof member === "number")
      return findPersonalData(String(member), options).length === 0 ? member : maskPersonalData(String(member), options);
    if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).map(([name, inner]) => [maskPersonalData(name, options), inner]));
  }) as unknown; // whatever the tool returned
  return JSON.stringify(masked);
}
