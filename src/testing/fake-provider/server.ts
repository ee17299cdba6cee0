/** The HTTP side of the fake provider: takes a call, asks the rule and the fault plan, sends the answer, keeps the books. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Clock, systemClock } from "../../clock.ts";
import { FleetError } from "../../protocol/errors.ts";
import { type BatchFaultPlan, createFakeBatches, type FakeBatchCall, type FakeBatches, type FakeBatchOptions } from "./batches-api.ts";
import { type FakeCall, isRecord, parseCall } from "./call.ts";
import { toCompletion, toCompletionFrames } from "./chat-api.ts";
import { readBody, sendError, sendJson } from "./http.ts";
import { countTokensOf, toMessage, toMessageFrames } from "./messages-api.ts";
import { type Answer, type FakeReply, type FakeRule, type FaultPlan, type Frame, toAnswer } from "./reply.ts";
import { toResponse, toResponseFrames } from "./responses-api.ts";
import { sampleOf } from "./sample.ts";

export interface FakeProviderOptions extends FakeBatchOptions {
  /** Default: repeats the last user text, or the smallest value of the asked-for schema. */
  readonly reply?: FakeRule;
  readonly faults?: FaultPlan;
  /** Before every answer. Default 0. */
  readonly latencyMs?: number;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Keep request bodies and headers in `calls`. Default true; turn off for long load runs. */
  readonly keepsBodies?: boolean;
  readonly clock?: Clock;
}

export interface FakeCallRecord {
  readonly id: string;
  readonly api: FakeCall["api"];
  /** With the query. */
  readonly path: string;
  readonly model: string;
  /** Milliseconds on this process's monotonic clock. */
  readonly atMs: number;
  readonly streamed: boolean;
  /** The request header `x-flotilla-tenant`, if any. */
  readonly tenant: string | undefined;
  /** The HTTP status that was sent; 0 while nothing is, or when the socket was destroyed first. */
  readonly status: number;
  /** The whole answer was sent. */
  readonly isServed: boolean;
  readonly headers: FakeCall["headers"];
  readonly body: FakeCall["body"];
}

export interface FakeProvider extends AsyncDisposable {
  /** Ends in `/v1`: what OPENAI_BASE_URL expects. */
  readonly url: string;
  /** The same without `/v1`: what ANTHROPIC_BASE_URL expects. */
  readonly origin: string;
  readonly port: number;
  /** Every call that arrived, in order, but for those to Message Batches. */
  readonly calls: readonly FakeCallRecord[];
  readonly batchCalls: readonly FakeBatchCall[];
  /** Answers (not errors) that were sent to their end. */
  readonly served: number;
  /** Changes the rule for calls that arrive from now on. */
  setReply(reply: FakeRule): void;
  setFaults(faults: FaultPlan | undefined): void;
  setBatchFaults(faults: BatchFaultPlan | undefined): void;
  close(): Promise<void>;
}

type MutableRecord = { -readonly [Key in keyof FakeCallRecord]: FakeCallRecord[Key] };

interface State {
  readonly options: FakeProviderOptions;
  readonly clock: Clock;
  readonly records: MutableRecord[];
  /** Call ids must not repeat when a provider is started again under a living run. */
  readonly idPrefix: string;
  readonly batches: FakeBatches;
  reply: FakeRule;
  faults: FaultPlan | undefined;
  served: number;
}

export async function startFakeProvider(options: FakeProviderOptions = {}): Promise<FakeProvider> {
  const { reply = defaultReply, faults, clock = systemClock, host = "127.0.0.1" } = options;
  const idPrefix = randomBytes(4).toString("hex");
  const batches = createFakeBatches({ options, clock, idPrefix, reply: (call, gone) => state.reply(call, gone) });
  const state: State = { options, clock, records: [], idPrefix, batches, reply, faults, served: 0 };
  const server = createServer((request, response) => {
    serve(state, request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new FleetError("INPUT_INVALID", "The fake provider listens on no port.", { at: "port" });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const origin = `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
  return {
    url: `${origin}/v1`,
    origin,
    port: address.port,
    calls: state.records,
    batchCalls: batches.calls,
    get served() {
      return state.served;
    },
    setReply: (next) => {
      state.reply = next;
    },
    setFaults: (next) => {
      state.faults = next;
    },
    setBatchFaults: batches.setFaults,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Without a rule: the last user text again, or the smallest value that fits the schema. */
export const defaultReply: FakeRule = ({ outputSchema, lastUserText }) => ({
  text: outputSchema === undefined ? `You said: ${lastUserText}` : JSON.stringify(sampleOf(outputSchema, lastUserText)),
});

const PATHS: Readonly<Record<string, FakeCall["api"]>> = {
  "/chat/completions": "chat",
  "/responses": "responses",
  "/messages": "messages",
};

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://fake");
  if (request.method === "GET" && pathname === "/__calls") return sendJson(response, 200, summarize(state, searchParams.has("list")));
  if (request.method === "GET" && pathname.endsWith("/models")) {
    return sendJson(response, 200, {
      object: "list",
      data: [{ id: "fake-model", object: "model", created: 1_700_000_000, owned_by: "fake" }],
    });
  }
  if (await state.batches.handle(request, response)) return;
  const isCount = pathname.endsWith("/messages/count_tokens");
  const api = isCount ? "messages" : Object.entries(PATHS).find(([path]) => pathname.endsWith(path))?.[1];
  if (api === undefined || request.method !== "POST")
    return sendError(response, api ?? "chat", { status: 404, errorMessage: `No route ${pathname}.` });
  const body = await readBody(request);
  const call = body === undefined ? undefined : parseCall(api, body, request.headers);
  if (call === undefined) return sendError(response, api, { status: 400, errorMessage: "Expected a JSON body with a model." });
  if (isCount) return sendJson(response, 200, { input_tokens: countTokensOf(call) });
  await answerCall(state, call, request, response);
}

async function answerCall(state: State, call: FakeCall, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const record = addRecord(state, call, request.url ?? "");
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const fault = state.faults?.(call, state.records.length - 1);
  const isDecided = fault !== undefined && (fault.hang === true || fault.reset === true || (fault.status ?? 200) >= 400);
  const reply: FakeReply = isDecided ? fault : { ...(await state.reply(call, gone.signal)), ...fault };
  const waitMs = (state.options.latencyMs ?? 0) + (reply.delayMs ?? 0);
  if (waitMs > 0) await state.clock.sleep(waitMs, gone.signal);
  // A caller that hung up gets nothing; a hanging call is left open until it does, or the server closes.
  if (gone.signal.aborted || reply.hang === true) return;
  if (reply.reset === true) {
    request.socket.destroy();
    return;
  }
  record.status = reply.status ?? 200;
  response.setHeader(call.api === "messages" ? "request-id" : "x-request-id", `req_${record.id}`);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  if (record.status >= 400) return sendError(response, call.api, reply);
  const isWhole = await sendAnswer(state, call, { answer: toAnswer(call, reply, record.id), reply, response, gone: gone.signal });
  record.isServed = isWhole;
  if (isWhole) state.served += 1;
}

interface Sending {
  readonly answer: Answer;
  readonly reply: FakeReply;
  readonly response: ServerResponse;
  readonly gone: AbortSignal;
}

interface Form {
  readonly whole: (answer: Answer) => unknown;
  readonly frames: (answer: Answer, call: FakeCall) => readonly Frame[];
}

const FORMS: Readonly<Record<FakeCall["api"], Form>> = {
  chat: {
    whole: toCompletion,
    frames: (answer, { body }) => {
      const streamOptions = body["stream_options"];
      return toCompletionFrames(answer, isRecord(streamOptions) && streamOptions["include_usage"] === true);
    },
  },
  responses: { whole: toResponse, frames: toResponseFrames },
  messages: { whole: toMessage, frames: toMessageFrames },
};

/** Tells whether all of it was sent. */
async function sendAnswer(state: State, call: FakeCall, sending: Sending): Promise<boolean> {
  const { answer, reply, response } = sending;
  if (call.stream) return await sendFrames(state, FORMS[call.api].frames(answer, call), sending);
  const text = JSON.stringify(FORMS[call.api].whole(answer));
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  if (reply.cut !== undefined && reply.cut < text.length) {
    await writeThenDestroy(response, text.slice(0, reply.cut));
    return false;
  }
  response.end(text);
  return true;
}

async function sendFrames(state: State, frames: readonly Frame[], { reply, response, gone }: Sending): Promise<boolean> {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  let sentChars = 0;
  for (const [index, frame] of frames.entries()) {
    if (gone.aborted) return false;
    // A cut past the end still cuts: the last event is what makes an answer whole.
    if (reply.cut !== undefined && (sentChars + frame.chars > reply.cut || index === frames.length - 1)) {
      await writeThenDestroy(response, "");
      return false;
    }
    if (frame.chars > 0 && reply.chunkDelayMs !== undefined) await state.clock.sleep(reply.chunkDelayMs, gone);
    response.write(frame.data);
    sentChars += frame.chars;
  }
  response.end();
  return true;
}

/** Destroying at once would drop what the kernel has not taken yet, and the cut would come earlier than asked for. */
const writeThenDestroy = (response: ServerResponse, text: string): Promise<void> =>
  new Promise((resolve) => {
    response.write(text === "" ? ":\n\n" : text, () => {
      response.destroy();
      resolve();
    });
  });

function addRecord(state: State, call: FakeCall, path: string): MutableRecord {
  const tenant = call.headers["x-flotilla-tenant"];
  const isKept = state.options.keepsBodies ?? true;
  const record: MutableRecord = {
    id: `${state.idPrefix}${state.records.length}`,
    api: call.api,
    path,
    model: call.model,
    atMs: performance.now(),
    streamed: call.stream,
    tenant: typeof tenant === "string" ? tenant : undefined,
    status: 0,
    isServed: false,
    headers: isKept ? call.headers : {},
    body: isKept ? call.body : {},
  };
  state.records.push(record);
  return record;
}

function summarize(state: State, hasList: boolean): unknown {
  const list = state.records.map(({ id, api, model, atMs, streamed, tenant, status, isServed }) => ({
    id,
    api,
    model,
    atMs,
    streamed,
    tenant,
    status,
    isServed,
  }));
  return { calls: state.records.length, served: state.served, ...(hasList ? { list } : {}) };
}
