/** E-mail addresses by form: found from each `@` outwards, so that no text makes the scan slow. */
import type { Span } from "./span.ts";

const MAX_LOCAL = 64;
const MAX_DOMAIN = 253;
/** Fewer than the standard allows: the rest are the signs of the text around. */
const LOCAL = /[\p{L}\p{N}._%+'-]/u;
const DOMAIN = /[\p{L}\p{N}.-]/u;
const LABEL = /^[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u;
/** What follows without a space, such as the number of a footnote, is no part of it. */
const TOP_LEVEL = /^(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})(?!\p{L})/iu;
/** `icon@2x.png` is a file. */
const IMAGE_SCALE = /^\d+x\.(?:png|jpe?g|gif|webp|avif|svg)$/i;

export function emailsIn(text: string): Span[] {
  const spans: Span[] = [];
  for (let at = text.indexOf("@"); at !== -1; at = text.indexOf("@", at + 1)) {
    const start = localStart(text, at);
    const end = domainEnd(text, at);
    if (start < at && end !== undefined) spans.push({ start, end });
  }
  return spans;
}

function localStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < MAX_LOCAL && LOCAL.test(text[start - 1] ?? "")) start -= 1;
  // A quote or a dash before an address belongs to the text around.
  while (start < at && !/[\p{L}\p{N}_+]/u.test(text[start] ?? "")) start += 1;
  return text[at - 1] === "." ? at : start;
}

function domainEnd(text: string, at: number): number | undefined {
  let end = at + 1;
  while (end < text.length && end - at <= MAX_DOMAIN && DOMAIN.test(text[end] ?? "")) end += 1;
  while (end > at + 1 && /[.-]/.test(text[end - 1] ?? "")) end -= 1;
  const domain = text.slice(at + 1, end);
  const labels = domain.split(".");
  const last = labels.pop() ?? "";
  const topLevel = TOP_LEVEL.exec(last)?.[0];
  if (topLevel === undefined || labels.length === 0 || IMAGE_SCALE.test(domain)) return undefined;
  return labels.every((label) => LABEL.test(label)) ? end - last.length + topLevel.length : undefined;
}
