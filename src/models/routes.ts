/**
 * Where a model's name leads. Decided from the name and the settings alone, so that a worker can check all of its names before it takes work.
 *
 *   <prefix of a server in `models`>/…   that server                       the rest of the name is sent
 *   gpt-…, openai/gpt-…                  OpenAI, Responses API             without the prefix
 *   <any prefix>/…                       the proxy of LITELLM_BASE_URL     the whole name
 *   anthropic/…                          without a proxy: Anthropic itself, Messages API
 */
import { FleetError } from "../protocol/errors.ts";
import type { ModelEnv } from "./env.ts";
import type { ModelServer } from "./servers.ts";

/** Who takes the call: one of these, or a server by the prefix that it is registered under. */
export type ProviderName = "openai" | "litellm" | "anthropic" | (string & {});

export interface Route {
  readonly provider: ProviderName;
  /** Which form of request it takes. */
  readonly api: "responses" | "chat" | "messages";
  /** As agents name it, without aliases. */
  readonly asked: string;
  /** As it is sent. */
  readonly name: string;
  readonly baseURL: string;
  /** The fleet's own; a tenant may bring another. */
  readonly apiKey: string | undefined;
  /** What to set when there is none. */
  readonly keyVariable: string;
}

export interface RouteSettings {
  readonly env: ModelEnv;
  readonly servers: Readonly<Record<string, ModelServer>>;
  /** Where servers' keys are read. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const OPENAI_URL = "https://api.openai.com/v1";
const ANTHROPIC_URL = "https://api.anthropic.com";
/** A server on a private network often has no key, but the client wants one. */
const KEYLESS = "no-key";

/** @throws FleetError MODEL_KEY_MISSING when the name leads nowhere. */
export const resolveRoute = (settings: RouteSettings, asked: string): Route => ({ ...leadOf(settings, asked), asked });

type Lead = Omit<Route, "asked">;

function leadOf({ env, servers, variables }: RouteSettings, given: string): Lead {
  const slash = given.indexOf("/");
  const prefix = slash < 0 ? undefined : given.slice(0, slash);
  const rest = given.slice(slash + 1);
  const server = prefix !== undefined && Object.hasOwn(servers, prefix) ? servers[prefix] : undefined;
  if (prefix !== undefined && server !== undefined) return toServer(server, prefix, rest, variables);
  if (prefix === undefined || prefix === "openai") return toOpenAI(env, rest);
  if (env.LITELLM_BASE_URL !== undefined) return toProxy(env, env.LITELLM_BASE_URL, given);
  if (prefix === "anthropic") return toAnthropic(env, rest);
  throw new FleetError("MODEL_KEY_MISSING", `The model ${given} has no route.`, {
    at: given,
    remedy:
      "set LITELLM_BASE_URL (and LITELLM_API_KEY) to a proxy that serves it, or give `models` an SDK model under this name, " +
      `or a server under ${JSON.stringify(prefix)}`,
  });
}

const toOpenAI = (env: ModelEnv, name: string): Lead => ({
  provider: "openai",
  api: env.FLOTILLA_OPENAI_API,
  name,
  baseURL: env.OPENAI_BASE_URL ?? OPENAI_URL,
  apiKey: env.OPENAI_API_KEY,
  keyVariable: "OPENAI_API_KEY",
});

const toProxy = (env: ModelEnv, baseURL: string, name: string): Lead => ({
  provider: "litellm",
  // The proxy translates every model to Messages, but only Claude loses nothing by it.
  api: env.FLOTILLA_LITELLM_API === "messages" && /claude/i.test(name) ? "messages" : "chat",
  name,
  baseURL,
  apiKey: env.LITELLM_API_KEY ?? KEYLESS,
  keyVariable: "LITELLM_API_KEY",
});

const toAnthropic = (env: ModelEnv, name: string): Lead => ({
  provider: "anthropic",
  api: "messages",
  name,
  baseURL: env.ANTHROPIC_BASE_URL ?? ANTHROPIC_URL,
  apiKey: env.ANTHROPIC_API_KEY,
  keyVariable: "ANTHROPIC_API_KEY (or LITELLM_BASE_URL, for a proxy)",
});

const toServer = (
  { api, baseURL, apiKeyEnv }: ModelServer,
  provider: string,
  name: string,
  variables: RouteSettings["variables"],
): Lead => ({
  provider,
  api,
  name,
  baseURL,
  // Set to nothing counts as not set, as for every other key.
  apiKey: apiKeyEnv === undefined ? KEYLESS : variables[apiKeyEnv] || undefined,
  keyVariable: apiKeyEnv ?? "",
});
