/**
 * Claude by Anthropic's Messages API, as a model of the Agents SDK: at Anthropic itself, or at a proxy's `/v1/messages`. It keeps what Chat
 * Completions loses: thinking blocks with their signatures across tool turns, prompt-cache marks, and what the cache cost.
 * One request is one HTTP call: retries belong to the queue.
 */
import type { Model, ModelRequest, ModelResponse, StreamEvent } from "@openai/agents";
import { originOf } from "./endpoint.ts";
import { errorOfResponse, MessagesApiError, MessagesConnectionError } from "./errors.ts";
import { toMessagesBody } from "./request.ts";
import { toModelResponse, toOutput, toUsage } from "./response.ts";
import { MessageBuilder, readEvents } from "./stream.ts";
import { messageSchema } from "./wire.ts";

export interface MessagesModelOptions {
  /** Where `/v1/messages` is, with or without its `/v1`. */
  readonly baseURL: string;
  /** Key and version: `authHeaders`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

export function createMessagesModel(name: string, options: MessagesModelOptions): Model {
  return {
    getResponse: (request) => respond(name, request, options),
    getStreamedResponse: (request) => stream(name, request, options),
  };
}

async function respond(name: string, request: ModelRequest, options: MessagesModelOptions): Promise<ModelResponse> {
  const response = await post(name, request, options, false);
  const body = await whole(request, () => response.json());
  const parsed = messageSchema.safeParse(body);
  if (!parsed.success) throw new MessagesApiError("The provider's answer is not a message.", { status: 502, headers: response.headers });
  const { rawUsage, ...answer } = toModelResponse(parsed.data, requestIdOf(response));
  return request.modelSettings.preserveRawUsage === true && rawUsage !== undefined ? { ...answer, rawUsage } : answer;
}

async function* stream(name: string, request: ModelRequest, options: MessagesModelOptions): AsyncIterable<StreamEvent> {
  const response = await post(name, request, options, true);
  const builder = new MessageBuilder();
  yield { type: "response_started" };
  const events = response.body === null ? [] : readEvents(response.body);
  try {
    for await (const event of events) {
      const text = builder.add(event);
      yield { type: "model", event };
      if (text !== undefined && text !== "") yield { type: "output_text_delta", delta: text };
    }
  } catch (error) {
    throw toFailure(request, error);
  }
  const { message } = builder;
  if (message === undefined) throw new MessagesConnectionError("The provider's stream ended before its answer did.");
  const requestId = requestIdOf(response);
  yield {
    type: "response_done",
    response: {
      id: message.id,
      usage: toUsage(message),
      output: toOutput(message),
      providerData: message,
      ...(requestId === undefined ? {} : { requestId }),
      ...(request.modelSettings.preserveRawUsage === true ? { rawUsage: message.usage } : {}),
    },
  };
}

async function post(name: string, request: ModelRequest, options: MessagesModelOptions, streams: boolean): Promise<Response> {
  const { baseURL, headers, fetch = globalThis.fetch } = options;
  const body = JSON.stringify(toMessagesBody(name, request, streams));
  const response = await whole(request, () =>
    fetch(`${originOf(baseURL)}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      signal: request.signal ?? null,
    }),
  );
  if (!response.ok) throw await whole(request, () => errorOfResponse(response));
  return response;
}

async function whole<T>(request: ModelRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toFailure(request, error);
  }
}

/** What `fetch` throws says little: the connection failed, unless it was the caller who ended it. */
function toFailure({ signal }: ModelRequest, error: unknown): unknown {
  if (error instanceof MessagesApiError || error instanceof MessagesConnectionError) return error;
  if (signal?.aborted === true) return signal.reason;
  return new MessagesConnectionError("The connection to the provider failed.", { cause: error });
}

const requestIdOf = ({ headers }: Response): string | undefined =>
  headers.get("request-id") ?? headers.get("x-litellm-call-id") ?? undefined;
