/** The HTTP side of the fake provider: takes a call, asks the rule and the fault plan, sends the answer, keeps the books. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Clock, systemClock } from "../../clock.ts";
import { FleetError } from "../../protocol/errors.ts";
import { type FakeCall, isRecord, parseCall } from "./call.ts";
import { toCompletion, toCompletionFrames } from "./chat-api.ts";
import { type Answer, type FakeReply, type FakeRule, type FaultPlan, type Frame, toAnswer } from "./reply.ts";
import { toResponse, toResponseFrames } from "./responses-api.ts";
import { sampleOf } from "./sample.ts";

export interface FakeProviderOptions {
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
  readonly port: number;
  /** Every call that arrived, in order. */
  readonly calls: readonly FakeCallRecord[];
  /** Answers (not errors) that were sent to their end. */
  readonly served: number;
  /** Changes the rule for calls that arrive from now on. */
  setReply(reply: FakeRule): void;
  setFaults(faults: FaultPlan | undefined): void;
  close(): Promise<void>;
}

type MutableRecord = { -readonly [Key in keyof FakeCallRecord]: FakeCallRecord[Key] };

interface State {
  readonly options: FakeProviderOptions;
  readonly clock: Clock;
  readonly records: MutableRecord[];
  /** Call ids must not repeat when a provider is started again under a living run. */
  readonly idPrefix: string;
  reply: FakeRule;
  faults: FaultPlan | undefined;
  served: number;
}

export async function startFakeProvider(options: FakeProviderOptions = {}): Promise<FakeProvider> {
  const { reply = defaultReply, faults, clock = systemClock, host = "127.0.0.1" } = options;
  const state: State = { options, clock, records: [], idPrefix: randomBytes(4).toString("hex"), reply, faults, served: 0 };
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
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}/v1`,
    port: address.port,
    calls: state.records,
    get served() {
      return state.served;
    },
    setReply: (next) => {
      state.reply = next;
    },
    setFaults: (next) => {
      state.faults = next;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Without a rule: the last user text again, or the smallest value that fits the schema. */
export const defaultReply: FakeRule = ({ outputSchema, lastUserText }) => ({
  text: outputSchema === undefined ? `You said: ${lastUserText}` : JSON.stringify(sampleOf(outputSchema, lastUserText)),
});

async function serve(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://fake");
  if (request.method === "GET" && pathname === "/__calls") return sendJson(response, 200, summarize(state, searchParams.has("list")));
  if (request.method === "GET" && pathname.endsWith("/models")) {
    return sendJson(response, 200, {
      object: "list",
      data: [{ id: "fake-model", object: "model", created: 1_700_000_000, owned_by: "fake" }],
    });
  }
  const api = pathname.endsWith("/chat/completions") ? "chat" : pathname.endsWith("/responses") ? "responses" : undefined;
  if (api === undefined || request.method !== "POST") return sendError(response, { status: 404, errorMessage: `No route ${pathname}.` });
  const body = await readBody(request);
  const call = body === undefined ? undefined : parseCall(api, body, request.headers);
  if (call === undefined) return sendError(response, { status: 400, errorMessage: "Expected a JSON body with a model." });
  await answerCall(state, call, request, response);
}

async function answerCall(state: State, call: FakeCall, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const record = addRecord(state, call);
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
  response.setHeader("x-request-id", `req_${record.id}`);
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  if (record.status >= 400) return sendError(response, reply);
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

/** Tells whether all of it was sent. */
async function sendAnswer(state: State, call: FakeCall, sending: Sending): Promise<boolean> {
  const { answer, reply, response } = sending;
  const isChat = call.api === "chat";
  if (call.stream) {
    const streamOptions = call.body["stream_options"];
    const includesUsage = isRecord(streamOptions) && streamOptions["include_usage"] === true;
    return await sendFrames(state, isChat ? toCompletionFrames(answer, includesUsage) : toResponseFrames(answer), sending);
  }
  const text = JSON.stringify(isChat ? toCompletion(answer) : toResponse(answer));
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

function addRecord(state: State, call: FakeCall): MutableRecord {
  const tenant = call.headers["x-flotilla-tenant"];
  const isKept = state.options.keepsBodies ?? true;
  const record: MutableRecord = {
    id: `${state.idPrefix}${state.records.length}`,
    api: call.api,
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

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>> | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return isRecord(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "invalid_request_error",
  404: "invalid_request_error",
  429: "rate_limit_error",
};

function sendError(
  response: ServerResponse,
  { status = 500, errorCode, errorMessage }: Pick<FakeReply, "status" | "errorCode" | "errorMessage">,
): void {
  const type = errorCode === "insufficient_quota" ? errorCode : (ERROR_TYPES[status] ?? "server_error");
  sendJson(response, status, {
    error: { message: errorMessage ?? `The fake provider answers ${status}.`, type, code: errorCode ?? null, param: null },
  });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
