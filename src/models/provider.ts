/**
 * Which model serves a name: an alias's own, or one at the end of the name's route (routes.ts), called with the tenant's own key (I11) and
 * with a receipt (metered-model.ts).
 */
import type { Model } from "@openai/agents";
import { FleetError } from "../protocol/errors.ts";
import { DEFAULT_TENANT } from "../protocol/ids.ts";
import { pickAccess, type ResolveCredentials } from "./access.ts";
import { followAliases, type Models, serversIn } from "./aliases.ts";
import type { Caller } from "./attribution.ts";
import { createClients } from "./clients.ts";
import type { ModelEnv } from "./env.ts";
import { meteredResponse, meteredStream, type Meter } from "./metered-model.ts";
import { listPriceOf } from "./list-prices.ts";
import { checkPrices, type PriceTable } from "./prices.ts";
import { resolveRoute, type Route, type RouteSettings } from "./routes.ts";

export interface ModelProviderOptions {
  readonly models?: Models;
  /** A tenant's own key and endpoint, asked for before each call. Without an answer the fleet's own key is used. */
  readonly credentials?: ResolveCredentials;
  /** What calls cost where no proxy says so. Default: the provider's public price list, where it names the model exactly. */
  readonly prices?: PriceTable;
  /** Whose call it is; read when the call is made. Default: the default tenant's. */
  readonly currentCaller?: () => Caller | undefined;
  readonly env: ModelEnv;
  /** Where servers' keys are read. Default: nowhere. */
  readonly variables?: RouteSettings["variables"];
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

/** Names come from agents, of which there are few; a bound keeps names made up at run time from piling up. */
const MAX_MODELS = 256;

export function createModelProvider(options: ModelProviderOptions): FleetModelProvider {
  const { models = {}, credentials, prices = {}, currentCaller = () => undefined, env, variables = {} } = options;
  checkPrices(prices);
  const servers = serversIn(models);
  const routeOf = (target: string): Route => resolveRoute({ env, servers, variables }, target);
  const clients = createClients(options.fetch);
  const routed = new Map<string, Model>();

  const build = (name: string, target: string): Model => {
    const route = routeOf(target);
    const price = prices[name] ?? prices[target];
    return routedModel(route, async () => {
      const caller = currentCaller();
      const given = await credentials?.({ tenant: caller?.tenant ?? DEFAULT_TENANT, provider: route.provider });
      const access = pickAccess(route, given);
      const listPrice = price === undefined ? await listPriceOf(route.name, access.baseURL) : undefined;
      return { model: await clients.modelOf(route, access), meter: { route, caller, price, listPrice } };
    });
  };

  return {
    getModel: async (name = "") => {
      const target = followAliases(models, name);
      if (typeof target !== "string") return target;
      if (target === "") throw noModel([], currentCaller()?.agent);
      const model = routed.get(name) ?? build(name, target);
      if (routed.size < MAX_MODELS) routed.set(name, model);
      return model;
    },
    check: (names, agentsOf) =>
      checkNames(names, (name) => {
        const target = followAliases(models, name);
        if (typeof target !== "string") return;
        if (target === "") throw noModel(agentsOf?.(name));
        const route = routeOf(target);
        if (credentials === undefined) pickAccess(route, undefined);
      }),
  };
}

/** A model that asks for its client when it is called: the tenant is known only then. */
function routedModel(route: Route, open: () => Promise<{ readonly model: Model; readonly meter: Meter }>): Model {
  return {
    supportsPromptModelSelection: route.api === "responses",
    async getResponse(request) {
      const { model, meter } = await open();
      return meteredResponse(model, request, meter);
    },
    async *getStreamedResponse(request) {
      const { model, meter } = await open();
      yield* meteredStream(model, request, meter);
    },
    getRetryAdvice: async (advice) => await (await open()).model.getRetryAdvice?.(advice),
  };
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
