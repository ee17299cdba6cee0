/** How Anthropic's API is addressed, at Anthropic itself and behind a proxy. */
import type { ProviderName } from "../routes.ts";

/** Later versions refuse sampling parameters that agents may set. */
const API_VERSION = "2023-06-01";

/** A base address comes with or without its `/v1`. */
export const originOf = (baseURL: string): string => baseURL.replace(/(\/v1)?\/*$/, "");

export const authHeaders = (provider: ProviderName, apiKey: string): Readonly<Record<string, string>> => ({
  "anthropic-version": API_VERSION,
  ...(provider === "litellm" ? { authorization: `Bearer ${apiKey}` } : { "x-api-key": apiKey }),
});
