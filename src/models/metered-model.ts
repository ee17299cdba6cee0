/**
 * One call of a model, with its receipt: under which id, and what it cost. The cost is taken from where it is known best: what the proxy says
 * with the answer, what it says at the end of a stream, the fleet's own prices, the provider's public list; else it is unknown.
 */
import type { Model, ModelRequest, ModelResponse, StreamEvent } from "@openai/agents";
import { LIMITS } from "../protocol/limits.ts";
import { type CallReceipt, RECEIPT_KEY } from "../protocol/receipt.ts";
import type { Caller } from "./attribution.ts";
import { type CallRecord, inCall } from "./call-record.ts";
import { field, isObject, numberField } from "./duck.ts";
import { isPlainCall, type ListPrice } from "./list-prices.ts";
import { costOf, hourWritesOf, type ModelPrice, type TokenCounts, toMicroUsd } from "./prices.ts";
import type { Route } from "./routes.ts";
import { toSendable } from "./sendable.ts";

export interface Meter {
  readonly route: Route;
  readonly caller: Caller | undefined;
  readonly price: ModelPrice | undefined;
  /** Asked where the fleet has no price of its own. */
  readonly listPrice: ListPrice | undefined;
}

/** What a whole response and the end of a stream have in common. */
interface Answer {
  readonly output: readonly { readonly type?: string | undefined }[];
  readonly providerData?: Record<string, unknown> | undefined;
  readonly rawUsage?: Record<string, unknown> | undefined;
  readonly usage: Pick<ModelResponse["usage"], "inputTokens" | "outputTokens">;
}

type Receipted<A extends Answer> = Omit<A, "rawUsage" | "providerData"> & {
  providerData: Record<string, unknown>;
  rawUsage?: Record<string, unknown>;
};

export async function meteredResponse(model: Model, request: ModelRequest, meter: Meter): Promise<ModelResponse> {
  const record = newRecord(meter);
  const response = await inCall(record, () => model.getResponse(toSent(request, meter)));
  return withReceipt(response, request, meter, record);
}

export async function* meteredStream(model: Model, request: ModelRequest, meter: Meter): AsyncIterable<StreamEvent> {
  const record = newRecord(meter);
  const events = inCall(record, () => model.getStreamedResponse(toSent(request, meter))[Symbol.asyncIterator]());
  try {
    for (;;) {
      // A generator runs where it is asked for its next value, so each asking is inside the call.
      const { done, value } = await inCall(record, () => events.next());
      if (done === true) return;
      yield value.type === "response_done" ? { ...value, response: withReceipt(value.response, request, meter, record) } : value;
    }
  } finally {
    await events.return?.();
  }
}

const newRecord = ({ caller }: Meter): CallRecord => ({ caller, headers: undefined });

/** The provider's own counts hold what the SDK's lose. */
function toSent(request: ModelRequest, { route, caller }: Meter): ModelRequest {
  const { input } = request;
  return {
    ...request,
    modelSettings: { ...request.modelSettings, preserveRawUsage: true },
    input: typeof input === "string" ? input : [...toSendable(input, route, caller?.inherited ?? 0)],
  };
}

function withReceipt<A extends Answer>(answer: A, request: ModelRequest, meter: Meter, record: CallRecord): Receipted<A> {
  const { rawUsage, providerData, ...rest } = answer;
  return {
    ...rest,
    ...(request.modelSettings.preserveRawUsage === true && rawUsage !== undefined ? { rawUsage } : {}),
    providerData: { ...providerData, [RECEIPT_KEY]: toReceipt(answer, request, meter, record) },
  };
}

function toReceipt(answer: Answer, request: ModelRequest, meter: Meter, { headers }: CallRecord): CallReceipt {
  const { usage, rawUsage } = answer;
  const { provider } = meter.route;
  const callId = CALL_ID_HEADERS.map((name) => headers?.get(name)).find((id) => id !== null && id !== undefined);
  const cacheWrites = cacheWritesOf(rawUsage);
  const shared = {
    provider,
    ...(callId === undefined || callId === null ? {} : { callId: callId.slice(0, LIMITS.callIdChars) }),
    ...(cacheWrites === undefined ? {} : { cacheWriteInputTokens: cacheWrites }),
  };
  const told = provider === "litellm" ? toldCost(headers, rawUsage) : undefined;
  if (told !== undefined) return { ...shared, costSource: "proxy", costMicroUsd: told };
  const reckoned = reckon(answer, request, meter, {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cachedInputTokens: cacheReadsOf(rawUsage),
    cacheWriteInputTokens: cacheWrites ?? 0,
  });
  if (reckoned === undefined) return { ...shared, costSource: "unknown" };
  return { ...shared, costSource: meter.price === undefined ? "list" : "prices", costMicroUsd: reckoned };
}

function reckon(answer: Answer, request: ModelRequest, { price, listPrice }: Meter, tokens: TokenCounts): number | undefined {
  if (price !== undefined) return costOf(price, tokens, hourWritesOf(answer.rawUsage));
  return isPlainCall(request, answer) ? listPrice?.(tokens, answer.rawUsage) : undefined;
}

const CALL_ID_HEADERS = ["x-litellm-call-id", "x-request-id", "request-id"];

/** LiteLLM leaves the header out for a model that it has no price for; its siblings then say 0.0, which is not a cost. */
function toldCost(headers: Headers | undefined, rawUsage: unknown): number | undefined {
  const header = headers?.get("x-litellm-response-cost") ?? "";
  const usd = header === "" ? numberField(rawUsage, "cost") : Number(header);
  return usd === undefined || !Number.isFinite(usd) || usd < 0 ? undefined : toMicroUsd(usd * 1_000_000);
}

/** Each API has its own words for it, and a proxy may use several at once. */
const cacheWritesOf = (raw: unknown): number | undefined =>
  firstNumber(
    raw,
    ["cache_creation_input_tokens"],
    ["prompt_tokens_details", "cache_creation_tokens"],
    ["input_tokens_details", "cache_write_tokens"],
  );

const cacheReadsOf = (raw: unknown): number =>
  firstNumber(raw, ["cache_read_input_tokens"], ["prompt_tokens_details", "cached_tokens"], ["input_tokens_details", "cached_tokens"]) ?? 0;

function firstNumber(raw: unknown, ...paths: readonly (readonly string[])[]): number | undefined {
  if (!isObject(raw)) return undefined;
  for (const path of paths) {
    const holder = path.slice(0, -1).reduce<unknown>(field, raw);
    const found = numberField(holder, path.at(-1) ?? "");
    if (found !== undefined && found >= 0) return Math.round(found);
  }
  return undefined;
}
