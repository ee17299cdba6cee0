/**
 * Anthropic's Message Batches: each request is answered by the rule when its batch ends, which is when its status has been asked for often enough.
 * Results come in the reverse order of the requests, because the real ones keep none.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../clock.ts";
import { type FakeCall, isRecord, parseCall } from "./call.ts";
import { anthropicError, readBody } from "./http.ts";
import { toMessage } from "./messages-api.ts";
import { type Fault, type FakeRule, toAnswer } from "./reply.ts";

/** One HTTP call to the batches. */
export interface FakeBatchCall {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

export type BatchFaultPlan = (call: FakeBatchCall, index: number) => Fault | undefined;

export interface FakeBatchOptions {
  /** How often a batch's status is asked for before it has ended. Default 1. */
  readonly batchPolls?: number;
  /** Where the results' absolute address points. Default Anthropic itself, as it does behind a proxy. */
  readonly resultsOrigin?: string;
}

interface Result {
  readonly type: string;
  readonly message?: unknown;
  readonly error?: unknown;
}

interface Batch {
  readonly id: string;
  readonly createdAtMs: number;
  readonly requests: readonly { readonly customId: string; readonly params: Readonly<Record<string, unknown>> }[];
  pollsLeft: number;
  cancelledAtMs: number | undefined;
  endedAtMs: number | undefined;
  results: readonly { readonly custom_id: string; readonly result: Result }[];
}

export interface FakeBatches {
  readonly calls: readonly FakeBatchCall[];
  setFaults(faults: BatchFaultPlan | undefined): void;
  /** False for a path that is not of this API. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

const DAY_MS = 24 * 60 * 60_000;

export interface FakeBatchDeps {
  readonly options: FakeBatchOptions;
  readonly clock: Clock;
  readonly idPrefix: string;
  readonly reply: FakeRule;
}

export function createFakeBatches({ options, clock, idPrefix, reply }: FakeBatchDeps): FakeBatches {
  const batches = new Map<string, Batch>();
  const calls: FakeBatchCall[] = [];
  let faults: BatchFaultPlan | undefined;

  const make = (body: FakeBatchCall["body"]): Batch | undefined => {
    const requests = Array.isArray(body?.["requests"]) ? body["requests"].filter(isRecord) : [];
    if (requests.length === 0) return undefined;
    const batch: Batch = {
      id: `msgbatch_${idPrefix}${batches.size}`,
      createdAtMs: clock.nowMs(),
      requests: requests.map(({ custom_id, params }) => ({ customId: String(custom_id), params: isRecord(params) ? params : {} })),
      pollsLeft: options.batchPolls ?? 1,
      cancelledAtMs: undefined,
      endedAtMs: undefined,
      results: [],
    };
    batches.set(batch.id, batch);
    return batch;
  };

  const settle = async (batch: Batch): Promise<void> => {
    if (batch.endedAtMs !== undefined) return;
    if (batch.pollsLeft > 0 && batch.cancelledAtMs === undefined) {
      batch.pollsLeft -= 1;
      return;
    }
    batch.endedAtMs = clock.nowMs();
    const isCancelled = batch.cancelledAtMs !== undefined;
    const results = batch.requests.map(async ({ customId, params }) => ({
      custom_id: customId,
      result: isCancelled ? { type: "canceled" } : await answer(params, customId, reply),
    }));
    batch.results = (await Promise.all(results)).toReversed();
  };

  const answerOf = async ({ method, path, body }: FakeBatchCall): Promise<Sent> => {
    const url = new URL(path, "http://fake");
    const [id, verb] = url.pathname.split("/messages/batches")[1]?.split("/").slice(1) ?? [];
    const toWire = (batch: Batch): unknown => wireOf(batch, options.resultsOrigin ?? "https://api.anthropic.com");
    if (id === undefined && method === "GET") return json(pageOf([...batches.values()], url.searchParams, toWire));
    const batch = id === undefined ? make(body) : batches.get(id);
    if (batch === undefined) return failed(id === undefined ? 400 : 404);
    if (verb === "results")
      return batch.endedAtMs === undefined ? failed(404) : { status: 200, type: "application/x-jsonl", text: linesOf(batch) };
    if (method === "DELETE") {
      if (batch.endedAtMs === undefined) return failed(400);
      batches.delete(batch.id);
      return json({ id: batch.id, type: "message_batch_deleted" });
    }
    if (verb === "cancel") batch.cancelledAtMs ??= clock.nowMs();
    else if (id !== undefined) await settle(batch);
    return json(toWire(batch));
  };

  return {
    calls,
    setFaults: (next) => {
      faults = next;
    },
    async handle(request, response) {
      const path = request.url ?? "/";
      if (!/\/messages\/batches(?:[/?]|$)/.test(path)) return false;
      const call = { method: request.method ?? "GET", path, headers: request.headers, body: await readBody(request) };
      calls.push(call);
      const fault = faults?.(call, calls.length - 1) ?? {};
      if (fault.hang === true) return true;
      const sent = fault.status === undefined ? await answerOf(call) : failed(fault.status, fault);
      // A reset comes after the work: what is lost is the answer.
      if (fault.reset === true) request.socket.destroy();
      else await send(response, sent, fault);
      return true;
    },
  };
}

interface Sent {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const json = (value: unknown, status = 200): Sent => ({ status, type: "application/json", text: JSON.stringify(value) });

const failed = (status: number, fault: Fault = {}): Sent => json(anthropicError(status, fault), status);

function send(response: ServerResponse, { status, type, text }: Sent, { headers = {}, cut }: Fault): Promise<void> {
  response.writeHead(status, { "content-type": type, ...headers });
  return new Promise((resolve) => {
    if (cut === undefined) {
      response.end(text, () => resolve());
      return;
    }
    response.write(text.slice(0, cut), () => {
      response.destroy();
      resolve();
    });
  });
}

const timeOf = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

function wireOf({ id, requests, createdAtMs, cancelledAtMs, endedAtMs, results }: Batch, resultsOrigin: string): unknown {
  const hasEnded = endedAtMs !== undefined;
  const count = (type: string): number => results.filter(({ result }) => result.type === type).length;
  return {
    id,
    type: "message_batch",
    processing_status: hasEnded ? "ended" : cancelledAtMs === undefined ? "in_progress" : "canceling",
    request_counts: {
      processing: hasEnded ? 0 : requests.length,
      succeeded: count("succeeded"),
      errored: count("errored"),
      canceled: count("canceled"),
      expired: count("expired"),
    },
    created_at: timeOf(createdAtMs),
    expires_at: timeOf(createdAtMs + DAY_MS),
    ended_at: timeOf(endedAtMs),
    cancel_initiated_at: timeOf(cancelledAtMs),
    archived_at: null,
    results_url: hasEnded ? `${resultsOrigin}/v1/messages/batches/${id}/results` : null,
  };
}

function pageOf(all: readonly Batch[], query: URLSearchParams, toWire: (batch: Batch) => unknown): unknown {
  const youngestFirst = all.toReversed();
  const from = youngestFirst.findIndex(({ id }) => id === query.get("after_id")) + 1;
  const page = youngestFirst.slice(from, from + Number(query.get("limit") ?? 20));
  return {
    data: page.map(toWire),
    has_more: from + page.length < youngestFirst.length,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}

const linesOf = ({ results }: Batch): string => results.map((result) => `${JSON.stringify(result)}\n`).join("");

/** A reply with an error's status is a request that errored; one that hangs expires. */
async function answer(params: FakeCall["body"], id: string, rule: FakeRule): Promise<Result> {
  const call = parseCall("messages", params, {});
  if (call === undefined) return { type: "errored", error: anthropicError(400, {}) };
  const reply = await rule(call, new AbortController().signal);
  if (reply.hang === true) return { type: "expired" };
  if (reply.status !== undefined && reply.status >= 400) return { type: "errored", error: anthropicError(reply.status, reply) };
  return { type: "succeeded", message: toMessage(toAnswer(call, reply, id)) };
}
