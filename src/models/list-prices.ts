/**
 * What a call costs by the public price lists that the package @pydantic/genai-prices carries. They are as old as its release; nothing is
 * fetched. Asked last, and answered only where all of this holds, for a wrong cost is worse than an unknown one:
 *
 *   the provider itself took the call       another server may serve another model under the same name
 *   the list has the model by this name     the package's own patterns take `claude-sonnet-5-5` for `claude-sonnet-5`
 *   only plain tokens were charged          no other tier, place or speed, no hosted tools, no audio
 */
import type { ModelRequest } from "@openai/agents";
import { field, isObject, numberField } from "./duck.ts";
import { hourWritesOf, toMicroUsd, type TokenCounts } from "./prices.ts";

/** What one call cost in micro dollars; undefined where the list does not say. */
export type ListPrice = (tokens: TokenCounts, rawUsage: unknown) => number | undefined;

/** By the host that serves them at list price. */
const LISTED: ReadonlyMap<string, string> = new Map([
  ["api.openai.com", "openai"],
  ["api.anthropic.com", "anthropic"],
]);

/** Models that search the web for each answer take a fee for it, which nothing in the answer shows. */
const SEARCHES = /-search-/;

/** @param name as it is sent to the provider */
export async function listPriceOf(name: string, baseURL: string): Promise<ListPrice | undefined> {
  const providerId = URL.canParse(baseURL) ? LISTED.get(new URL(baseURL).host) : undefined;
  if (providerId === undefined || SEARCHES.test(name)) return undefined;
  // Only here: the lists take 20 MB, and a fleet behind a proxy never needs them.
  const { calcPrice } = await import("@pydantic/genai-prices");
  return (tokens, rawUsage) => {
    try {
      const found = calcPrice(toUsage(tokens, rawUsage), name, { providerId });
      return found === null || !isNamed(name, found.model.id) ? undefined : toMicroUsd(found.total_price * 1_000_000);
    } catch {
      // Counts that contradict each other are the provider's; the answer is good all the same.
      return undefined;
    }
  };
}

/** A release may be asked for by its date. */
const isNamed = (name: string, id: string): boolean => name === id || name.replace(/-(\d{8}|\d{4}-\d\d-\d\d)$/, "") === id;

const toUsage = ({ inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens }: TokenCounts, rawUsage: unknown) => ({
  input_tokens: inputTokens,
  cache_read_tokens: cachedInputTokens,
  cache_write_tokens: cacheWriteInputTokens,
  cache_write_1h_tokens: hourWritesOf(rawUsage),
  output_tokens: outputTokens,
});

/** What the request and the answer say of how it was served. A request may ask for `auto`, which the answer then names. */
const AT_LIST_PRICE: ReadonlySet<unknown> = new Set([undefined, null, "auto", "default", "standard", "global", "not_available"]);

interface Served {
  readonly output: readonly { readonly type?: string | undefined }[];
  readonly providerData?: unknown;
  readonly rawUsage?: unknown;
}

export function isPlainCall({ modelSettings }: Pick<ModelRequest, "modelSettings">, { output, providerData, rawUsage }: Served): boolean {
  const served = [
    field(modelSettings.providerData, "service_tier"),
    field(providerData, "service_tier"),
    ...["service_tier", "inference_geo", "speed"].map((name) => field(rawUsage, name)),
  ];
  const extras = [
    field(rawUsage, "server_tool_use"),
    ...["input_tokens_details", "output_tokens_details", "prompt_tokens_details", "completion_tokens_details"].map((name) => ({
      audio: numberField(field(rawUsage, name), "audio_tokens"),
    })),
  ].flatMap((counts) => (isObject(counts) ? Object.values(counts) : []));
  return (
    served.every((value) => AT_LIST_PRICE.has(value)) &&
    field(modelSettings.providerData, "web_search_options") === undefined &&
    extras.every((count) => typeof count !== "number" || count === 0) &&
    output.every(({ type }) => type !== "hosted_tool_call")
  );
}
