/** Text about an error that may be stored and shown: no keys, no quoted model output, never long. */
import { cut, LIMITS } from "../protocol/limits.ts";
import { classNames, textField } from "./duck.ts";

/** Shapes of secrets that clients and proxies put into their messages. */
const SECRETS = [
  /\b(sk|pk|rk|ghp|gho|xox[abp])[-_][A-Za-z0-9*_-]{4,}/g,
  /\bBearer\s+[^\s"',]+/gi,
  /((?:api[-_ ]?key|token|password|secret|authorization)["']?\s*[:=]\s*["']?)[^\s"',]+/gi,
  /(:\/\/[^:/\s]+:)[^@/\s]+(?=@)/g,
];

export const safeText = (text: string): string =>
  cut(
    SECRETS.reduce(
      (safe, secret) =>
        safe.replace(secret, (...match) => `${typeof match[1] === "string" && /[:=]/.test(match[1]) ? match[1] : ""}[redacted]`),
      text,
    ),
    LIMITS.errorChars,
  );

/** Parsers quote what they could not parse, which is what a model or a user wrote. */
const QUOTING = ["SyntaxError", "ZodError", "$ZodError", "InvalidToolInputError"];

/** Class and message of an error that the user's own code threw. */
export function ownText(error: unknown): string {
  if (typeof error === "string") return safeText(error);
  const [name = typeof error, ...ancestors] = classNames(error);
  if (QUOTING.some((quoting) => quoting === name || ancestors.includes(quoting))) return `${name}.`;
  return safeText(`${name}: ${textField(error, "message") ?? "no message"}`);
}
