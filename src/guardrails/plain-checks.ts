/** Checks by length and by pattern. */
import { FleetError } from "../protocol/errors.ts";
import type { TextCheck } from "./text-check.ts";

/** Finds texts of more than `chars` characters (UTF-16 units, as `text.length` counts). */
export function maxLength(chars: number, name = "max-length"): TextCheck {
  if (!Number.isInteger(chars) || chars < 1) {
    throw new FleetError("INPUT_INVALID", `Expected a whole number of characters above 0; got ${chars}.`, { at: "maxLength" });
  }
  return { name, find: (text) => (text.length > chars ? { chars: text.length, max: chars } : undefined) };
}

export interface PatternOptions {
  readonly name: string;
  /**
   * Texts are looked for as they are read: without regard to case, to look-alikes that Unicode folds together, and to characters of no width.
   * Regular expressions are run on the text as it is, and take as long as they take: see the how-to on guardrails.
   */
  readonly patterns: readonly (string | RegExp)[];
}

/** Finds texts in which one of the patterns occurs, and says which by its place in the list. */
export function deniedText({ name, patterns }: PatternOptions): TextCheck {
  const matchers = matchersOf(name, patterns);
  return {
    name,
    find(text) {
      const asRead = fold(text);
      const pattern = matchers.findIndex((matches) => matches(text, asRead));
      return pattern === -1 ? undefined : { pattern };
    },
  };
}

/** Finds texts in which none of the patterns occurs. */
export function allowedText({ name, patterns }: PatternOptions): TextCheck {
  const matchers = matchersOf(name, patterns);
  return {
    name,
    find(text) {
      const asRead = fold(text);
      return matchers.some((matches) => matches(text, asRead)) ? undefined : { matched: "none of the allowed patterns" };
    },
  };
}

type Matcher = (text: string, asRead: string) => boolean;

function matchersOf(name: string, patterns: PatternOptions["patterns"]): Matcher[] {
  const empty = patterns.findIndex((pattern) => typeof pattern === "string" && fold(pattern) === "");
  if (patterns.length === 0 || empty !== -1) {
    const at = patterns.length === 0 ? `${name}.patterns` : `${name}.patterns[${empty}]`;
    throw new FleetError("INPUT_INVALID", "Expected patterns that are not empty.", { at });
  }
  return patterns.map((pattern) => {
    if (typeof pattern === "string") {
      const wanted = fold(pattern);
      return (_text, asRead) => asRead.includes(wanted);
    }
    // A global or sticky expression remembers where it was, and would skip the start of the next text.
    const stateless = new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ""));
    return (text) => stateless.test(text);
  });
}

/** Soft hyphens, joiners, direction marks and the like: invisible between letters. */
const NO_WIDTH = /\p{Default_Ignorable_Code_Point}/gu;

const fold = (text: string): string => text.normalize("NFKC").replaceAll(NO_WIDTH, "").toLowerCase();
