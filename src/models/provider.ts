/**
 * Which model serves a name. The only place that makes provider clients: with `maxRetries: 0`, because a worker's slot must not sleep
 * through a provider's bad minute (retries are the queue's), and with each tenant's own key (I11). Keys are held in clients, never logged.
 */
import { type Model, OpenAIProvider } from "@openai/agents";
import { OpenAI } from "openai";
import { FleetError } from "../protocol/errors.ts";
import { DEFAULT_TENANT } from "../protocol/ids.ts";
import type { ModelEnv } from "./env.ts";
import { createBoundedCache } from "./bounded-cache.ts";

/** Who takes the call: OpenAI (or what OPENAI_BASE_URL names), or the proxy of LITELLM_BASE_URL. */
export type ProviderName = "openai" | "litellm";

export interface ModelCredentials {
  readonly apiKey?: string;
  readonly baseURL?: string;
}

export type ResolveCredentials = (request: {
  readonly tenant: string;
  readonly provider: ProviderName;
}) => ModelCredentials | undefined | Promise<ModelCredentials | undefined>;

export interface ModelProviderOptions {
  /** Alias to an SDK model, or to another name. */
  readonly models?: Readonly<Record<string, Model | string>>;
  /** A tenant's own key and endpoint, asked for before each call. Without an answer the fleet's own key is used. */
  readonly credentials?: ResolveCredentials;
  /** Whose call it is; read when the call is made. Default: the default tenant. */
  readonly currentTenant?: () => string | undefined;
  /** Whose hop it is, for the error of an agent without a model. */
  readonly currentAgent?: () => string | undefined;
  readonly env: ModelEnv;
  /** Replaces the HTTP client of all providers, such as in tests. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface FleetModelProvider {
  /** @throws FleetError MODEL_KEY_MISSING when the name has no route. */
  getModel(name?: string): Promise<Model>;
  /**
   * `agentsOf` tells which agents name a model.
   * @throws FleetError MODEL_KEY_MISSING naming every model without a route or key, and every agent without a model, so that a worker
   *   refuses to start.
   */
  check(names: readonly string[], agentsOf?: (name: string) => readonly string[]): void;
}

interface Route {
  readonly provider: ProviderName;
  readonly name: string;
  readonly useResponses: boolean;
  /** The fleet's own; a tenant may bring another. */
  readonly apiKey: string | undefined;
  readonly baseURL: string;
}

const OPENAI_URL = "https://api.openai.com/v1";
/** A proxy on a private network often has no key, but the client wants one. */
const KEYLESS = "no-key";
/** Clients are cheap but hold sockets: a fleet of many tenants must not keep one for each for ever (I9). */
const MAX_CLIENTS = 256;

export function createModelProvider(options: ModelProviderOptions): FleetModelProvider {
  const { models = {}, credentials, currentTenant = () => undefined, currentAgent, env } = options;
  const clients = createBoundedCache<OpenAIProvider>(MAX_CLIENTS);
  const direct = new Map<string, Model>();

  const toModel = (route: Route, given: ModelCredentials | undefined): Promise<Model> => {
    const { apiKey, baseURL } = pickAccess(route, given);
    const isTenants = given?.apiKey !== undefined;
    const key = JSON.stringify([route.useResponses, isTenants, apiKey, baseURL]);
    return clients.getOrMake(key, () => makeProvider({ route, apiKey, baseURL, isTenants, fetch: options.fetch })).getModel(route.name);
  };
  const resolve = async (route: Route): Promise<Model> => {
    const tenant = currentTenant() ?? DEFAULT_TENANT;
    return await toModel(route, await credentials?.({ tenant, provider: route.provider }));
  };
  const build = (route: Route): Model => (route.useResponses ? resolveAtCall : resolveAtCallChat)(() => resolve(route));

  return {
    getModel: async (name) => {
      const target = followAliases(models, name ?? "");
      if (typeof target !== "string") return target;
      if (target === "") throw noModel([], currentAgent?.());
      const model = direct.get(target) ?? build(findRoute(env, target));
      // Names come from agents, of which there are few; a bound keeps names made up at run time from piling up.
      if (direct.size < MAX_CLIENTS) direct.set(target, model);
      return model;
    },
    check: (names, agentsOf) =>
      checkNames(names, (name) => {
        const target = followAliases(models, name);
        if (typeof target !== "string") return;
        if (target === "") throw noModel(agentsOf?.(name));
        const route = findRoute(env, target);
        if (credentials === undefined) pickAccess(route, undefined);
      }),
  };
}

/** A model that asks for its client when it is called: the tenant is known only then. */
const resolveAtCall = (resolve: () => Promise<Model>): Model => ({
  supportsPromptModelSelection: true,
  getResponse: async (request) => await (await resolve()).getResponse(request),
  async *getStreamedResponse(request) {
    yield* (await resolve()).getStreamedResponse(request);
  },
  getRetryAdvice: async (advice) => await (await resolve()).getRetryAdvice?.(advice),
});

const resolveAtCallChat = (resolve: () => Promise<Model>): Model => ({
  ...resolveAtCall(resolve),
  supportsPromptModelSelection: false,
});

function followAliases(models: Readonly<Record<string, Model | string>>, name: string): Model | string {
  const seen = new Set<string>();
  for (let current = name; ; ) {
    if (seen.has(current)) {
      throw new FleetError(
        "INPUT_INVALID",
        `Expected the model aliases to end; ${[...seen, current].join(" → ")} goes round in a circle.`,
        {
          at: `models.${name}`,
          remedy: "point one of them at a model",
        },
      );
    }
    seen.add(current);
    const next = Object.hasOwn(models, current) ? models[current] : undefined;
    if (next === undefined) return current;
    if (typeof next !== "string") return next;
    current = next;
  }
}

/** A worker that starts knows which agents name no model. A call only knows whose hop it is: that agent, or one that it runs as a tool. */
function noModel(agents: readonly string[] = [], hopOf?: string): FleetError {
  const names = agents.map((name) => JSON.stringify(name)).join(", ");
  const hop = hopOf === undefined ? "An agent" : `Agent ${JSON.stringify(hopOf)}, or one that it uses as a tool,`;
  const who = agents.length === 0 ? hop : agents.length === 1 ? `Agent ${names}` : `Each of the agents ${names}`;
  return new FleetError("MODEL_KEY_MISSING", `${who} has no model.`, {
    at: agents.length === 0 ? "agent.model" : agents.map((name) => `agents.${name}.model`).join(", "),
    remedy: "set `model` on the agent: a model's name, or an alias from the fleet's `models`",
  });
}

function findRoute(env: ModelEnv, target: string): Route {
  const name = target.startsWith("openai/") ? target.slice("openai/".length) : target;
  if (!name.includes("/")) {
    const useResponses = env.FLOTILLA_OPENAI_API === "responses";
    return { provider: "openai", name, useResponses, apiKey: env.OPENAI_API_KEY, baseURL: env.OPENAI_BASE_URL ?? OPENAI_URL };
  }
  if (env.LITELLM_BASE_URL === undefined) {
    throw new FleetError("MODEL_KEY_MISSING", `The model ${name} has no route.`, {
      at: name,
      remedy: "set LITELLM_BASE_URL (and LITELLM_API_KEY) to a proxy that serves it, or give `models` an SDK model under this name",
    });
  }
  return { provider: "litellm", name, useResponses: false, apiKey: env.LITELLM_API_KEY ?? KEYLESS, baseURL: env.LITELLM_BASE_URL };
}

function pickAccess(route: Route, given: ModelCredentials | undefined): { readonly apiKey: string; readonly baseURL: string } {
  if (given?.apiKey === undefined && given?.baseURL !== undefined) {
    // The fleet's own key must not travel to an address that a tenant chose.
    throw new FleetError("MODEL_KEY_MISSING", `The credentials for ${route.provider} hold a baseURL without an apiKey.`, {
      at: "credentials",
      remedy: "return both, or neither",
    });
  }
  const apiKey = given?.apiKey ?? route.apiKey;
  if (apiKey === undefined) {
    throw new FleetError("MODEL_KEY_MISSING", `The model ${route.name} has no key.`, {
      at: route.name,
      remedy: "set OPENAI_API_KEY, or return an apiKey from `credentials`",
    });
  }
  return { apiKey, baseURL: given?.baseURL ?? route.baseURL };
}

function checkNames(names: readonly string[], checkOne: (name: string) => void): void {
  const errors = [...new Set(names)].flatMap((name) => {
    try {
      checkOne(name);
      return [];
    } catch (error) {
      if (error instanceof FleetError) return [error];
      throw error;
    }
  });
  const [first] = errors;
  if (first === undefined) return;
  if (errors.length === 1) throw first;
  const remedies = [...new Set(errors.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy])))];
  throw new FleetError(first.code, errors.map(({ message }) => message).join(" "), { at: "models", remedy: remedies.join("; ") });
}

interface ProviderParts {
  readonly route: Route;
  readonly apiKey: string;
  readonly baseURL: string;
  readonly isTenants: boolean;
  readonly fetch: typeof globalThis.fetch | undefined;
}

function makeProvider({ route, apiKey, baseURL, isTenants, fetch }: ProviderParts): OpenAIProvider {
  const openAIClient = new OpenAI({
    apiKey,
    baseURL,
    maxRetries: 0,
    // The environment's organization and project belong to the fleet's own OpenAI account and to nobody else.
    ...(isTenants || route.provider !== "openai" ? { organization: null, project: null } : {}),
    ...(fetch === undefined ? {} : { fetch }),
  });
  return new OpenAIProvider({ openAIClient, useResponses: route.useResponses, useResponsesWebSocket: false });
}
