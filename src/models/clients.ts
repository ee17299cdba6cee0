/**
 * The only place that makes clients of providers: with `maxRetries: 0`, because a worker's slot must not sleep through a provider's bad
 * minute (retries are the queue's). Keys are held in clients, never logged.
 */
import { type Model, OpenAIProvider } from "@openai/agents";
import { OpenAI } from "openai";
import type { Access } from "./access.ts";
import { authHeaders } from "./anthropic/endpoint.ts";
import { createMessagesModel } from "./anthropic/messages-model.ts";
import { createBoundedCache } from "./bounded-cache.ts";
import { recordingFetch } from "./call-record.ts";
import type { Route } from "./routes.ts";

export interface Clients {
  modelOf(route: Route, access: Access): Promise<Model>;
}

/** Clients are cheap but hold sockets: a fleet of many tenants must not keep one for each for ever (I9). */
const MAX_CLIENTS = 256;

/** @param fetch the HTTP client of all providers, such as in tests */
export function createClients(fetch: typeof globalThis.fetch = globalThis.fetch): Clients {
  const openAI = createBoundedCache<OpenAIProvider>(MAX_CLIENTS);
  const makeOpenAI = (route: Route, { apiKey, baseURL, isTenants }: Access): OpenAIProvider => {
    const openAIClient = new OpenAI({
      apiKey,
      baseURL,
      maxRetries: 0,
      // The environment's organization and project belong to the fleet's own OpenAI account and to nobody else.
      ...(isTenants || route.provider !== "openai" ? { organization: null, project: null } : {}),
      fetch: recordingFetch(fetch, route),
    });
    return new OpenAIProvider({ openAIClient, useResponses: route.api === "responses", useResponsesWebSocket: false });
  };
  return {
    modelOf: async (route, access) => {
      if (route.api === "messages") {
        return createMessagesModel(route.name, {
          baseURL: access.baseURL,
          headers: authHeaders(route.provider, access.apiKey),
          fetch: recordingFetch(fetch, route),
        });
      }
      const key = JSON.stringify([route.provider, route.api, access]);
      return openAI.getOrMake(key, () => makeOpenAI(route, access)).getModel(route.name);
    },
  };
}
