/**
 * Payment card numbers: an issuer's first digits and length, the Luhn check digit, and written in one piece or in the groups that cards are
 * printed in. One number in ten passes Luhn by chance, so the check digit alone would cry at every tenth order number.
 */
import type { Span } from "./span.ts";

const MIN_DIGITS = 13;
const MAX_DIGITS = 19;

/** First digits and lengths, by issuer. */
const ISSUERS: readonly { readonly first: RegExp; readonly lengths: readonly number[] }[] = [
  { first: /^4/, lengths: [13, 16, 19] }, // Visa
  { first: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] }, // Mastercard
  { first: /^3[47]/, lengths: [15] }, // American Express
  { first: /^(?:30[0-5]|3095|36|3[89])/, lengths: [14, 16, 19] }, // Diners Club
  { first: /^35(?:2[89]|[3-8])/, lengths: [16, 17, 18, 19] }, // JCB
  { first: /^(?:6011|64[4-9]|65)/, lengths: [16, 17, 18, 19] }, // Discover
  { first: /^62/, lengths: [16, 17, 18, 19] }, // UnionPay
  { first: /^(?:50|5[6-8]|6[037])/, lengths: [13, 14, 15, 16, 17, 18, 19] }, // Maestro
];

/** Digits to a group, as cards are printed. */
const GROUPINGS: readonly (readonly number[])[] = [
  [4, 4, 4, 4, 3],
  [6, 13],
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
];

const SEPARATORS = " \u00a0-.";

interface Group extends Span {
  /** What stands between it and the next group, if that is one separator. */
  readonly separator: string | undefined;
}

export function cardsIn(text: string): Span[] {
  const groups = groupsIn(text);
  const spans: Span[] = [];
  for (let index = 0; index < groups.length; ) {
    const taken = cardAt(text, groups, index);
    const last = groups[index + taken - 1];
    const first = groups[index];
    if (taken > 0 && first !== undefined && last !== undefined) spans.push({ start: first.start, end: last.end });
    index += Math.max(1, taken);
  }
  return spans;
}

/** How many groups from `index` on are a card number. */
function cardAt(text: string, groups: readonly Group[], index: number): number {
  const grouping = GROUPINGS.find((lengths) => isGrouped(groups, index, lengths) && isCard(digitsOf(text, groups, index, lengths.length)));
  if (grouping !== undefined) return grouping.length;
  return isAlone(text, groups[index]) && isCard(digitsOf(text, groups, index, 1)) ? 1 : 0;
}

function isGrouped(groups: readonly Group[], index: number, lengths: readonly number[]): boolean {
  const separator = groups[index]?.separator;
  return lengths.every((length, at) => {
    const group = groups[index + at];
    if (group === undefined || group.end - group.start !== length) return false;
    return at === lengths.length - 1 || (separator !== undefined && group.separator === separator);
  });
}

/** In one piece, and no part of a fraction, a word or a hash. */
function isAlone(text: string, group: Group | undefined): boolean {
  if (group === undefined) return false;
  const isPart = (near: string | undefined, beyond: string | undefined): boolean =>
    near !== undefined && (/[\p{L}_]/u.test(near) || ((near === "." || near === ",") && isDigit(beyond)));
  return !isPart(text[group.start - 1], text[group.start - 2]) && !isPart(text[group.end], text[group.end + 1]);
}

const digitsOf = (text: string, groups: readonly Group[], index: number, count: number): string =>
  groups
    .slice(index, index + count)
    .map(({ start, end }) => (end - start > MAX_DIGITS ? "" : text.slice(start, end)))
    .join("");

const isDigit = (char: string | undefined): boolean => char !== undefined && char >= "0" && char <= "9";

/** Runs of digits. */
function groupsIn(text: string): Group[] {
  const groups: Group[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (!isDigit(text[at])) continue;
    const start = at;
    while (isDigit(text[at])) at += 1;
    const next = text[at];
    groups.push({ start, end: at, separator: next !== undefined && SEPARATORS.includes(next) && isDigit(text[at + 1]) ? next : undefined });
  }
  return groups;
}

function isCard(digits: string): boolean {
  if (digits.length < MIN_DIGITS || digits.length > MAX_DIGITS) return false;
  return ISSUERS.some(({ first, lengths }) => lengths.includes(digits.length) && first.test(digits)) && passesLuhn(digits);
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let fromEnd = 0; fromEnd < digits.length; fromEnd += 1) {
    const digit = Number(digits[digits.length - 1 - fromEnd]);
    const weighted = fromEnd % 2 === 1 ? digit * 2 : digit;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
