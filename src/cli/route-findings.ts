/** The doctor's look at models: where each name leads, and whether anybody there takes the fleet's key. Costs nothing. */
import { followAliases, type Models, serversIn } from "../models/aliases.ts";
import { parseModelEnv } from "../models/env.ts";
import { checkRoute } from "../models/route-check.ts";
import { resolveRoute, type Route } from "../models/routes.ts";
import type { Finding } from "./commands/doctor.ts";
import type { CliContext } from "./context.ts";
import type { CliFleet } from "./fleet-port.ts";

/** A provider that does not answer must not hold up the doctor. */
const ANSWER_WITHIN_MS = 5_000;

export async function routeFindings(context: CliContext, fleet: CliFleet | undefined): Promise<Finding[]> {
  const routes = routesFor(context.env, fleet);
  const byPlace = Map.groupBy(routes, ({ provider, baseURL }) => `${provider} ${baseURL}`);
  const found = await Promise.all([...byPlace.values()].map((same) => findingsAt(context, same)));
  return found.flat();
}

/** Where the fleet's models lead; without a fleet file, where the environment could lead any. */
function routesFor(env: CliContext["env"], fleet: CliFleet | undefined): Route[] {
  const models: Models = fleet?.options?.models ?? {};
  const settings = { env: parseModelEnv(env), servers: serversIn(models), variables: env };
  const named = [...(fleet?.catalog?.values() ?? [])].flatMap(({ agent }) => (typeof agent.model === "string" ? [agent.model] : []));
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

async function findingsAt({ clock }: CliContext, routes: readonly Route[]): Promise<Finding[]> {
  const [route] = routes;
  if (route === undefined) return [];
  const check = `models at ${route.provider}`;
  if (route.apiKey === undefined) {
    const names = routes.map(({ asked }) => asked).join(", ");
    return [{ check, state: "warn", text: `no key for ${names}.`, remedy: `set ${route.keyVariable} where workers run` }];
  }
  const controller = new AbortController();
  const late = clock.sleep(ANSWER_WITHIN_MS, controller.signal).then(() => controller.abort("late"));
  const wanted = routes.flatMap(({ name }) => (name.endsWith("*") ? [] : [name]));
  const found = await checkRoute(route, { wanted, signal: controller.signal });
  controller.abort("done");
  await late;
  return found.map((finding) => ({ check, ...finding }));
}
