/** When a provider says to come back. Headers are a `Headers` object in one client and a plain record in another. */
import { field, isObject } from "./duck.ts";

/** Milliseconds to wait by the response's headers; undefined when they do not say. */
export function readRetryAfterMs(headers: unknown, nowMs: number | undefined): number | undefined {
  const exactMs = toNumber(readHeader(headers, "retry-after-ms"));
  if (exactMs !== undefined) return Math.max(0, Math.ceil(exactMs));
  // LiteLLM passes the provider's headers on under names of its own.
  const after = readHeader(headers, "retry-after") ?? readHeader(headers, "llm_provider-retry-after");
  const afterSeconds = toNumber(after);
  if (afterSeconds !== undefined) return Math.max(0, Math.ceil(afterSeconds * 1_000));
  const atMs = after === undefined || nowMs === undefined ? Number.NaN : Date.parse(after);
  if (nowMs !== undefined && !Number.isNaN(atMs)) return Math.max(0, atMs - nowMs);
  return readResetMs(headers);
}

export function readHeader(headers: unknown, name: string): string | undefined {
  const get = field(headers, "get");
  // Reason for Reflect: `headers` is only known to have a function `get`, and `Headers.get` must keep its receiver.
  const value: unknown = typeof get === "function" ? Reflect.apply(get, headers, [name]) : lookUp(headers, name);
  return typeof value === "string" && value !== "" ? value : undefined;
}

const lookUp = (headers: unknown, name: string): unknown =>
  isObject(headers) ? Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1] : undefined;

/** OpenAI names the reset of each exhausted limit, as `6m0s` or `120ms`; the latest one counts. */
function readResetMs(headers: unknown): number | undefined {
  const resets = ["requests", "tokens"].flatMap((limit) => {
    if (readHeader(headers, `x-ratelimit-remaining-${limit}`) !== "0") return [];
    const reset = parseDurationMs(readHeader(headers, `x-ratelimit-reset-${limit}`));
    return reset === undefined ? [] : [reset];
  });
  return resets.length === 0 ? undefined : Math.max(...resets);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseDurationMs(text: string | undefined): number | undefined {
  if (text === undefined || !/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  return Math.ceil(parts.reduce((total, [, count, unit]) => total + Number(count) * (UNIT_MS[unit ?? ""] ?? 0), 0));
}

const toNumber = (text: string | undefined): number | undefined => {
  const number = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : undefined;
};
