/**
 * The doctor's look at models: where each name leads that an agent asks for, those used as tools included, and whether anybody there takes the key.
 * Costs nothing.
 */
import type { Clock } from "../clock.ts";
import { nestedAgents } from "../agents/nested-agents.ts";
import { followAliases, type Models, serversIn } from "../models/aliases.ts";
import { parseModelEnv } from "../models/env.ts";
import { pickAccess, type ResolveCredentials } from "../models/access.ts";
import { checkRoute } from "../models/route-check.ts";
import { resolveRoute, type Route } from "../models/routes.ts";
import type { Finding } from "./commands/doctor.ts";
import type { CliContext } from "./context.ts";
import type { CliFleet } from "./fleet-port.ts";

/** A provider, or a store of keys, that does not answer must not hold up the doctor. */
const ANSWER_WITHIN_MS = 5_000;

/** @param tenant whose keys are looked at; without one the fleet's own */
export async function routeFindings(context: CliContext, fleet: CliFleet | undefined, tenant?: string): Promise<Finding[]> {
  const { names, found } = await namesIn(fleet);
  const routes = routesFor(context.env, fleet, names);
  const byPlace = Map.groupBy(routes, ({ provider, baseURL }) => `${provider} ${baseURL}`);
  const { credentials } = fleet?.options ?? {};
  const looked = [...byPlace.values()].map(async (same) => findingsAt(context, same, await keysOf(context, credentials, tenant, same)));
  return [...found, ...(await Promise.all(looked)).flat()];
}

/** The models that agents name, and what can be told of them without asking anybody. */
async function namesIn(fleet: CliFleet | undefined): Promise<{ readonly names: readonly string[]; readonly found: readonly Finding[] }> {
  const agents = [...(fleet?.catalog?.values() ?? [])].map(({ agent }) => agent);
  const nested = await nestedAgents(agents);
  const names = [...agents, ...(nested ?? [])].flatMap(({ model }) => (typeof model === "string" && model !== "" ? [model] : []));
  const without = (nested ?? []).filter(({ model }) => model === "").map(({ name }) => JSON.stringify(name));
  const found: Finding[] = [];
  const warn = (text: string, remedy?: string): number => found.push({ check: "agents as tools", state: "warn", text, remedy });
  if (nested === undefined) warn("the SDK does not tell which they are; their models are not looked at.");
  if (without.length > 0) warn(`no model is named by ${without.join(", ")}.`, "set `model` on the agent");
  return { names, found };
}

/** Where the fleet's models lead; without a fleet file, where the environment could lead any. */
function routesFor(env: CliContext["env"], fleet: CliFleet | undefined, named: readonly string[]): Route[] {
  const models: Models = fleet?.options?.models ?? {};
  const settings = { env: parseModelEnv(env), servers: serversIn(models), variables: env };
  const targets = named.map((name) => followAliases(models, name)).filter((target) => typeof target === "string" && target !== "");
  const { OPENAI_API_KEY, LITELLM_BASE_URL, ANTHROPIC_API_KEY } = settings.env;
  const open = [
    ...(OPENAI_API_KEY === undefined ? [] : [ANY_OPENAI]),
    ...(LITELLM_BASE_URL === undefined && ANTHROPIC_API_KEY === undefined ? [] : [ANY_CLAUDE]),
  ];
  // Reason for the cast: what is no text was filtered out above.
  return [...new Set(fleet === undefined ? open : (targets as string[]))].map((target) => resolveRoute(settings, target));
}

/** Names that stand for whatever an agent will ask for. */
const ANY_OPENAI = "openai/*";
const ANY_CLAUDE = "anthropic/*";

/** The route as it is called, or why it cannot be. */
type Keys = { readonly route: Route } | { readonly finding: Omit<Finding, "check"> };

/** The key with which calls for the tenant are made there; without a tenant, the fleet's own. */
async function keysOf(
  { clock }: CliContext,
  credentials: ResolveCredentials | undefined,
  tenant: string | undefined,
  routes: readonly Route[],
): Promise<Keys> {
  // A group of routes is never empty.
  const route = routes[0] as Route;
  if (credentials === undefined || tenant === undefined) return ownKey(routes, route, credentials !== undefined);
  try {
    const given = await answerOf(clock, async () => credentials({ tenant, provider: route.provider }));
    const { apiKey, baseURL, isTenants } = pickAccess(route, given);
    return {
      route: { ...route, apiKey, baseURL, ...(isTenants ? { keyVariable: `the apiKey that \`credentials\` return for ${tenant}` } : {}) },
    };
  } catch (error) {
    const text = `no key for tenant ${tenant}: ${error instanceof Error ? error.message : String(error)}`;
    return { finding: { state: "bad", text, remedy: `look at \`credentials\` of the fleet, for provider ${route.provider}` } };
  }
}

async function answerOf<T>(clock: Clock, ask: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ANSWER_WITHIN_MS, done.signal).then(() => {
    throw new Error(`no answer within ${ANSWER_WITHIN_MS / 1_000} s`);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    late.catch(() => undefined);
    done.abort();
  }
}

function ownKey(routes: readonly Route[], route: Route, tenantsBringKeys: boolean): Keys {
  if (route.apiKey !== undefined) return { route };
  const names = routes.map(({ asked }) => asked).join(", ");
  if (tenantsBringKeys) {
    const text = `no key of the fleet's own for ${names}; \`credentials\` has to give each tenant's.`;
    return { finding: { state: "warn", text, remedy: "look at a tenant's with --tenant" } };
  }
  return { finding: { state: "warn", text: `no key for ${names}.`, remedy: `set ${route.keyVariable} where workers run` } };
}

async function findingsAt({ clock }: CliContext, routes: readonly Route[], keys: Keys): Promise<Finding[]> {
  const check = `models at ${routes[0]?.provider ?? ""}`;
  if ("finding" in keys) return [{ check, ...keys.finding }];
  const { route } = keys;
  const controller = new AbortController();
  const late = clock.sleep(ANSWER_WITHIN_MS, controller.signal).then(() => controller.abort("late"));
  const wanted = routes.flatMap(({ name }) => (name.endsWith("*") ? [] : [name]));
  const found = await checkRoute(route, { wanted, signal: controller.signal });
  controller.abort("done");
  await late;
  return found.map((finding) => ({ check, ...finding }));
}
