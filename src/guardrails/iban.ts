/** International bank account numbers: a country's length and the mod-97 check digits of ISO 13616, with or without spaces, in any case. */
import type { Span } from "./span.ts";

/** Characters by country, from the registry of SWIFT. */
const LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  [
    "15 NO",
    "16 BE BI",
    "18 DK FI FK FO GL NL SD",
    "19 MK SI",
    "20 AT BA EE KZ LT LU MN XK",
    "21 CH HR LI LV",
    "22 BG BH CR DE GB GE IE ME RS VA",
    "23 AE GI IL IQ OM SO TL",
    "24 AD CZ DZ ES MD PK RO SA SE SK TN VG",
    "25 AO CV LY MZ PT ST",
    "26 IR IS TR",
    "27 BF BJ CF CG CI CM DJ FR GA GN GQ GR GW IT KM MC MG ML MR NE SM SN TD TG",
    "28 AL AZ BY CY DO GT HN HU LB MA NI PL SV",
    "29 BR EG PS QA UA",
    "30 JO KW MU YE",
    "31 MT SC",
    "32 LC",
    "33 RU",
  ].flatMap((row) => {
    const [length, ...countries] = row.split(" ");
    return countries.map((country) => [country, Number(length)]);
  }),
);

const HEAD = /(?<![\p{L}\p{N}])[a-z]{2}\d{2}(?=[a-z\d]|[ \u00a0-][a-z\d])/giu;
const IN_BODY = /[a-z\d]/i;

export function ibansIn(text: string): Span[] {
  const spans: Span[] = [];
  for (const { index } of text.matchAll(HEAD)) {
    const length = LENGTHS[text.slice(index, index + 2).toUpperCase()];
    const read = length === undefined ? undefined : readAt(text, index, length);
    if (read !== undefined && passesMod97(read.iban)) spans.push({ start: index, end: read.end });
  }
  return spans;
}

/** Exactly `length` characters in one piece, or in groups of four with one separator between. */
function readAt(text: string, start: number, length: number): { readonly iban: string; readonly end: number } | undefined {
  let iban = "";
  let at = start;
  while (iban.length < length) {
    const char = text[at] ?? "";
    if (IN_BODY.test(char)) iban += char;
    // Between groups, and never at the end of what was read before.
    else if (!(iban.length % 4 === 0 && /[ \u00a0-]/.test(char) && IN_BODY.test(text[at + 1] ?? ""))) return undefined;
    at += 1;
  }
  return /[\p{L}\p{N}]/u.test(text[at] ?? "") ? undefined : { iban: iban.toUpperCase(), end: at };
}

function passesMod97(iban: string): boolean {
  let rest = 0;
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    // A is 10, B is 11 …: two digits each.
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
