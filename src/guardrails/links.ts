/**
 * Links in what a model writes, by where they lead. A link or an image to a foreign host carries data out as soon as somebody's client shows
 * it, so only hosts that are listed pass. Addresses are read by the URL parser that browsers use: a host taken from an address by pattern is
 * another one than the browser's as soon as somebody wants it to be.
 */
import { FleetError } from "../protocol/errors.ts";
import { cut } from "../protocol/limits.ts";
import type { TextCheck } from "./text-check.ts";

export interface LinkOptions {
  readonly name?: string;
  /** Hosts such as `example.com`; `*.example.com` stands for all hosts below it, not for itself. */
  readonly hosts: readonly string[];
  /** Default `https` and `http`. A scheme without hosts, such as `mailto`, passes wherever it leads. */
  readonly schemes?: readonly string[];
}

const MAX_TOLD = 5;
const TOLD_CHARS = 200;

/** Finds links that lead anywhere but to the hosts: bare addresses, Markdown links, images and references, HTML attributes. */
export function linksOnlyTo({ name = "links", hosts, schemes = ["https", "http"] }: LinkOptions): TextCheck {
  const allowed = {
    exact: new Set<string>(),
    below: [] as string[],
    schemes: new Set(schemes.map((scheme) => `${scheme.toLowerCase()}:`)),
  };
  for (const host of hosts) {
    const isBelow = host.startsWith("*.");
    const plain = hostOf(isBelow ? host.slice(2) : host);
    if (isBelow) allowed.below.push(`.${plain}`);
    else allowed.exact.add(plain);
  }
  return {
    name,
    find(text) {
      const refused = new Set<string>();
      for (const link of linksIn(text)) {
        const why = refusal(link, allowed);
        if (why !== undefined) refused.add(why);
        if (refused.size === MAX_TOLD) break;
      }
      return refused.size === 0 ? undefined : { refused: [...refused] };
    },
  };
}

/** As the parser writes it: lower case, punycode. @throws FleetError INPUT_INVALID */
function hostOf(host: string): string {
  const url = URL.parse(`https://${host}/`);
  if (url !== null && url.href === `https://${url.hostname}/` && !/^$|\*/.test(url.hostname)) return withoutDot(url.hostname);
  throw new FleetError("INPUT_INVALID", `Expected a host such as example.com or *.example.com; got ${JSON.stringify(host)}.`, {
    at: "hosts",
    remedy: "leave out the scheme, the port and the path",
  });
}

interface Allowed {
  readonly exact: ReadonlySet<string>;
  readonly below: readonly string[];
  readonly schemes: ReadonlySet<string>;
}

/** A link without a host stays where the text is shown. */
const HERE = "https://here.invalid/";

/** Why a link does not pass: the place it leads to, as far as it can be read. */
function refusal(link: string, { exact, below, schemes }: Allowed): string | undefined {
  if (link === "") return undefined;
  const told = (what: string): string => cut(what, TOLD_CHARS);
  // Character references hide a scheme or a host from everybody but the renderer.
  if (/^[^/?]*&[#\w]/.test(link)) return told(`unreadable: ${link}`);
  // First by itself: against a base of the same scheme, `https:/evil.com` would be a path.
  const url = URL.parse(link) ?? URL.parse(link, HERE);
  if (url === null) return told(`unreadable: ${link}`);
  if (url.origin === new URL(HERE).origin) return undefined;
  if (!schemes.has(url.protocol)) return told(url.protocol);
  if (url.username !== "" || url.password !== "") return told(`credentials@${url.host}`);
  const host = withoutDot(url.hostname);
  if (host === "") return undefined;
  const isListed = exact.has(host) || below.some((suffix) => host.endsWith(suffix) && host.length > suffix.length);
  return isListed && url.port === "" ? undefined : told(url.host);
}

const withoutDot = (host: string): string => (host.endsWith(".") ? host.slice(0, -1) : host);

/** Each begins at a character that it cannot contain again, or has a bounded beginning, so that no text makes them slow. */
const ADDRESS = /[a-z][a-z0-9+.-]{0,30}:[/\\]+[^\s<>"`]*/gi;
const WWW = /(?<![\p{L}\p{N}.-])www\.[^\s<>"`]+/giu;
const MARKDOWN = /\]\(\s*(?:<([^<>\n]*)>?|([^\s()<>]*))/g;
/** Nothing stands behind the colon of a name in a conversation's protocol: `[12:30]: Ann: hello`. */
const REFERENCE = /^[ \t>*+-]*(?:\d{1,9}[.)][ \t]+)?\[[^\]\n]{1,999}\]:\s*<?(?![^\s<>:]*:(?:\s|$))([^\s<>]*)/gm;
const AUTOLINK = /<([a-z][a-z0-9+.-]{1,30}:[^\s<>]*)/gi;
const ATTRIBUTE = /\b(?:href|src|srcset|action|formaction|poster|data|cite|background|ping)\s*=\s*(?:"([^"]*)|'([^']*)|([^\s"'<>]+))/gi;

function* linksIn(text: string): Generator<string> {
  for (const [address] of text.matchAll(ADDRESS)) yield address;
  for (const [address] of text.matchAll(WWW)) yield `https://${address}`;
  for (const [, bracketed, plain] of text.matchAll(MARKDOWN)) yield* asWritten(bracketed ?? plain ?? "");
  for (const [, target] of text.matchAll(REFERENCE)) yield* asWritten(target ?? "");
  for (const [, target] of text.matchAll(AUTOLINK)) yield target ?? "";
  for (const [, double, single, bare] of text.matchAll(ATTRIBUTE)) yield* srcsetOf(double ?? single ?? bare ?? "");
}

/** Markdown takes a backslash before punctuation away; not every renderer does. */
function* asWritten(target: string): Generator<string> {
  yield target;
  const unescaped = target.replaceAll(/\\([!-/:-@[-`{-~])/g, "$1");
  if (unescaped !== target) yield unescaped;
}

/** `srcset` names several images, separated by commas. */
function* srcsetOf(value: string): Generator<string> {
  yield value;
  for (const part of value.includes(",") ? value.split(",") : []) yield part.trim();
}
