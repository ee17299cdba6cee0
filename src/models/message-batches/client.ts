/**
 * Anthropic's Message Batches: many Messages calls at half the price, answered within a day. A small client, for Anthropic itself and for a LiteLLM
 * proxy in front of it, by the settings, routes and credentials of a model call.
 *
 * It knows nothing of runs, and repeats nothing by itself that costs: a `create` whose answer was lost may have made a batch.
 */
import type { z } from "zod";
import { type Clock, systemClock } from "../../clock.ts";
import { FleetError } from "../../protocol/errors.ts";
import { DEFAULT_TENANT } from "../../protocol/ids.ts";
import { followAliases, type Models, serversIn } from "../aliases.ts";
import { attributionMember } from "../attribution.ts";
import { parseModelEnv } from "../env.ts";
import { checkPrices } from "../prices.ts";
import type { ModelProviderOptions } from "../provider.ts";
import { resolveRoute, type Route } from "../routes.ts";
import { createBatchPrices } from "./cost.ts";
import { callFailureOf, isRefusal, toFleetError } from "./failures.ts";
import { asConnection, type BatchCall, createSender, type SendCall } from "./http.ts";
import { ANTHROPIC_PREFIX, encodeRequests, type MessageBatchRequest, toBetaHeader } from "./requests.ts";
import { type MessageBatchResult, readResults } from "./results.ts";
import { type MessageBatchWait, waitForEnd } from "./wait.ts";
import { batchIdSchema, batchPageSchema, type MessageBatch, messageBatchSchema } from "./wire.ts";

/** A fleet's own options will do: `{ ...fleet.options, env: process.env }`. */
export interface MessageBatchesOptions extends Pick<ModelProviderOptions, "models" | "credentials" | "prices" | "fetch"> {
  /** Where keys and addresses are read: ANTHROPIC_API_KEY, or LITELLM_BASE_URL and LITELLM_API_KEY. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whose batches these are: whose credentials are used, and whom a proxy books them to. Default `default`. */
  readonly tenant?: string;
  /** For tests. Default: the machine's. */
  readonly clock?: Clock;
}

export interface MessageBatchCallOptions {
  readonly signal?: AbortSignal;
}

export interface MessageBatchQuery extends MessageBatchCallOptions {
  /** 1 to 1,000. Default 20. */
  readonly limit?: number;
  /** A page's `next`. */
  readonly after?: string;
}

export interface MessageBatchPage {
  /** Youngest first. */
  readonly batches: readonly MessageBatch[];
  /** Give it as `after` for the next page; undefined on the last one. */
  readonly next: string | undefined;
}

/** All methods throw FleetErrors: MODEL_KEY_MISSING, MODEL_KEY_REJECTED, MODEL_CALL_FAILED, MODEL_RATE_LIMITED, MODEL_UNAVAILABLE and others. */
export interface MessageBatches {
  /**
   * Checks the requests and sends them. Keep the batch's id before anything else: nothing but it leads back.
   * @throws FleetError INPUT_INVALID, INPUT_TOO_LARGE before anything is sent; MESSAGE_BATCH_UNCONFIRMED when it may have been made
   */
  create(
    requests: readonly MessageBatchRequest[],
    options?: MessageBatchCallOptions & { readonly betas?: readonly string[] },
  ): Promise<MessageBatch>;
  get(id: string, options?: MessageBatchCallOptions): Promise<MessageBatch>;
  /** Of the key's whole workspace at Anthropic, whoever made them. */
  list(query?: MessageBatchQuery): Promise<MessageBatchPage>;
  /** Polls until the batch has ended; a provider that is away is waited for. @throws FleetError WAIT_ABORTED */
  wait(id: string, options?: MessageBatchWait): Promise<MessageBatch>;
  /**
   * Each request's result once, in any order; one that breaks off is taken up again.
   * @throws FleetError MESSAGE_BATCH_LIVE, MESSAGE_BATCH_ARCHIVED; MESSAGE_BATCH_UNREADABLE after all that can be read
   */
  results(id: string, options?: MessageBatchCallOptions): AsyncGenerator<MessageBatchResult, void>;
  /** Asks for an early end; what has begun may still be answered, and paid. May be asked twice. */
  cancel(id: string, options?: MessageBatchCallOptions): Promise<MessageBatch>;
  /** Deletes a batch that has ended, with its results. */
  delete(id: string, options?: MessageBatchCallOptions): Promise<void>;
}

/** @throws FleetError MODEL_KEY_MISSING, INPUT_INVALID for settings that lead nowhere */
export function createMessageBatches(options: MessageBatchesOptions): MessageBatches {
  const { models = {}, prices = {}, tenant = DEFAULT_TENANT, clock = systemClock, credentials, fetch = globalThis.fetch } = options;
  checkPrices(prices);
  const route = routeIn(options.env, models);
  const send = createSender({ route, tenant, credentials, fetch });
  const chargeOf = createBatchPrices(prices, (name) => sentNameOf(models, name));
  const look = (id: string, signal?: AbortSignal): Promise<MessageBatch> =>
    ask(send, messageBatchSchema, { method: "GET", path: pathOf(id), signal });
  /** What a provider's failure is to whoever called. */
  const told = <T>(at: string, work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => Promise.reject(toFleetError(error, clock.nowMs(), at)));
  return {
    create: async (requests, { signal, betas = [] } = {}) => {
      const headers = toBetaHeader(betas);
      const encoded = encodeRequests(requests, (model) => sentNameOrThrow(models, model));
      // Only what is booked is told whose it is: nothing but this call costs.
      const booked = route.provider === "litellm" ? `${JSON.stringify(attributionMember(tenant)).slice(1, -1)},` : "";
      const body = `{${booked}"requests":[${encoded}]}`;
      return create(send, clock, { method: "POST", path: "", headers, body, signal }, requests.length);
    },
    get: async (id, { signal } = {}) => told(id, look(id, signal)),
    list: async (query = {}) => told("messageBatches.list", list(send, query)),
    wait: async (id, wait = {}) => waitForEnd(id, (signal) => look(id, signal), { ...wait, clock }),
    async *results(id, { signal } = {}) {
      const countAll = async (): Promise<number> => totalOf(await look(id, signal));
      const open = (): Promise<Response> => send({ method: "GET", path: `${pathOf(id)}/results`, signal });
      yield* readResults({ batchId: id, countAll, open, chargeOf, clock, signal });
    },
    cancel: async (id, { signal } = {}) =>
      told(id, ask(send, messageBatchSchema, { method: "POST", path: `${pathOf(id)}/cancel`, signal })),
    delete: async (id, { signal } = {}) => {
      const response = await told(id, send({ method: "DELETE", path: pathOf(id), signal }));
      await response.body?.cancel();
    },
  };
}

async function ask<S extends z.ZodType>(send: SendCall, schema: S, call: BatchCall): Promise<z.output<S>> {
  return readAnswer(await send(call), schema, call.signal);
}

async function readAnswer<S extends z.ZodType>(response: Response, schema: S, signal: AbortSignal | undefined): Promise<z.output<S>> {
  const text = await asConnection(signal, () => response.text());
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    // Without a cause, which would quote the answer.
    throw new FleetError("MODEL_CALL_FAILED", `The answer (status ${response.status}) is not one of Anthropic's Message Batches API.`, {
      at: "ANTHROPIC_BASE_URL or LITELLM_BASE_URL",
      remedy: "look whether the address leads to Anthropic or to a LiteLLM proxy",
    });
  }
}

async function create(send: SendCall, clock: Clock, call: BatchCall, count: number): Promise<MessageBatch> {
  const { signal } = call;
  signal?.throwIfAborted();
  const sentAtMs = clock.nowMs();
  try {
    const response = await send(call);
    // Once it was taken, an answer that cannot be read changes nothing about that.
    return await readAnswer(response, messageBatchSchema, signal).catch(() => Promise.reject(unconfirmed(count, sentAtMs)));
  } catch (error) {
    // Whatever the caller ends it with says nothing of what the provider did.
    const isEnded = signal?.aborted === true && error === signal.reason;
    const isLost = isEnded || (callFailureOf(error, sentAtMs) !== undefined && !isRefusal(error));
    throw isLost ? unconfirmed(count, sentAtMs) : toFleetError(error, clock.nowMs(), "messageBatches.create");
  }
}

/** Anthropic knows no idempotency key: sent again, the requests are a second batch, and paid twice. */
function unconfirmed(count: number, sentAtMs: number): FleetError {
  const since = new Date(sentAtMs).toISOString();
  return new FleetError("MESSAGE_BATCH_UNCONFIRMED", `The answer to the creation of a message batch of ${count} was lost.`, {
    at: "messageBatches.create",
    remedy:
      `do not create it again yet: list() shows it if it was made, as one of ${count} requests created from ${since} on; ` +
      "its results tell by their customId whether it is yours",
  });
}

async function list(send: SendCall, { signal, limit = 20, after }: MessageBatchQuery): Promise<MessageBatchPage> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) {
    throw new FleetError("INPUT_INVALID", `Expected a limit of 1 to 1,000; got ${limit}.`, { at: "limit" });
  }
  const query = new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after_id: checkId(after) }) });
  const page = await ask(send, batchPageSchema, { method: "GET", path: `?${query.toString()}`, signal });
  return { batches: page.data, next: page.has_more ? (page.last_id ?? undefined) : undefined };
}

/** How many results there must be. */
function totalOf({ id, status, counts, archivedAtMs }: MessageBatch): number {
  if (status !== "ended") {
    throw new FleetError("MESSAGE_BATCH_LIVE", `Message batch ${id} has no results yet: it is ${status}.`, {
      at: id,
      remedy: "wait(id) first",
    });
  }
  if (archivedAtMs !== undefined) {
    throw new FleetError(
      "MESSAGE_BATCH_ARCHIVED",
      `The results of message batch ${id} are gone since ${new Date(archivedAtMs).toISOString()}.`,
      {
        at: id,
      },
    );
  }
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const pathOf = (id: string): string => `/${checkId(id)}`;

function checkId(id: string): string {
  if (batchIdSchema.safeParse(id).success) return id;
  throw new FleetError("INPUT_INVALID", `Expected a message batch's id, such as msgbatch_01H…; got ${JSON.stringify(id).slice(0, 80)}.`, {
    at: "id",
  });
}

function routeIn(variables: MessageBatchesOptions["env"], models: Models): Route {
  const servers = serversIn(models);
  if (!Object.hasOwn(servers, "anthropic")) return resolveRoute({ env: parseModelEnv(variables), servers, variables }, ANTHROPIC_PREFIX);
  throw new FleetError("INPUT_INVALID", "Expected anthropic/… to lead to Anthropic or a LiteLLM proxy; got a server of your own.", {
    at: "models.anthropic",
    remedy: "register that server under another prefix",
  });
}

/** Undefined for a model that is not Anthropic's. */
function sentNameOf(models: Models, name: string): string | undefined {
  const target = followAliases(models, name);
  return typeof target === "string" && target.startsWith(ANTHROPIC_PREFIX) ? target.slice(ANTHROPIC_PREFIX.length) : undefined;
}

function sentNameOrThrow(models: Models, name: string): string {
  const sent = sentNameOf(models, name);
  if (sent !== undefined && sent !== "") return sent;
  throw new FleetError("INPUT_INVALID", `Expected a model of Anthropic's; got ${JSON.stringify(name).slice(0, 80)}.`, {
    at: "requests.params.model",
    remedy: "name it as agents do, such as anthropic/claude-sonnet-4-6, or by an alias in `models`",
  });
}
