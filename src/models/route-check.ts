/** Looks whether a route leads somewhere, without a call that costs: the provider's list of models, asked for with the fleet's key. */
import { z } from "zod";
import type { Route } from "./routes.ts";

export interface RouteFinding {
  /** `warn`: it may work, but somebody should look. */
  readonly state: "ok" | "warn" | "bad";
  readonly text: string;
  readonly remedy?: string;
}

export interface RouteCheckOptions {
  /** Names that agents ask this route for. */
  readonly wanted: readonly string[];
  readonly fetch?: typeof globalThis.fetch;
  readonly signal: AbortSignal;
}

const listSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

export async function checkRoute(route: Route, options: RouteCheckOptions): Promise<RouteFinding[]> {
  const host = new URL(route.baseURL).host;
  const answer = await ask(
    route,
    `${originOf(route)}${route.provider === "litellm" || route.api === "messages" ? "/v1" : ""}/models`,
    options,
  );
  if (answer === undefined) {
    return [{ state: "bad", text: `${host} does not answer.`, remedy: `check the address of ${route.provider}, and that it is up` }];
  }
  const isRejected = answer.status === 401 || answer.status === 403 || answer.error === "no_db_connection";
  if (isRejected) return [{ state: "bad", text: `${host} rejects the key.`, remedy: `set ${route.keyVariable} to one that it knows` }];
  const listed = listSchema.safeParse(answer.body).data?.data.map(({ id }) => id);
  if (listed === undefined) return [{ state: "warn", text: `${host} answers ${answer.status} and lists no models.` }];
  const found: RouteFinding = { state: "ok", text: `${host} takes the key; models listed: ${listed.length}.` };
  const version = route.provider === "litellm" ? await versionFinding(route, options) : [];
  return [found, ...missingFindings(host, listed, options.wanted), ...version];
}

/** A proxy lists a wildcard as `anthropic/*`. */
function missingFindings(host: string, listed: readonly string[], wanted: readonly string[]): RouteFinding[] {
  const isListed = (name: string): boolean =>
    listed.some((entry) => entry === name || (entry.endsWith("*") && name.startsWith(entry.slice(0, -1))));
  const missing = wanted.filter((name) => !isListed(name));
  if (missing.length === 0) return [];
  return [
    { state: "warn", text: `${host} does not list ${missing.join(", ")}.`, remedy: "add the name there, or correct the agent's model" },
  ];
}

/** Releases with a credential stealer in them. */
const MALICIOUS: ReadonlySet<string> = new Set(["1.82.7", "1.82.8"]);
/** Older ones let strangers in: CVE-2026-42208, CVE-2026-42271, CVE-2026-49468 and others. */
const SAFE_FROM = [1, 84, 3] as const;

const detailsSchema = z.object({ litellm_version: z.string() });

async function versionFinding(route: Route, options: RouteCheckOptions): Promise<RouteFinding[]> {
  const details = await ask(route, `${originOf(route)}/health/readiness/details`, options);
  const version = detailsSchema.safeParse(details?.body).data?.litellm_version;
  if (version === undefined) return [];
  if (MALICIOUS.has(version)) {
    const remedy = "take it off the network, replace every key that it could read, and install another release";
    return [{ state: "bad", text: `LiteLLM ${version} is a release that steals credentials.`, remedy }];
  }
  if (!isBefore(version, SAFE_FROM)) return [{ state: "ok", text: `LiteLLM ${version}.` }];
  const remedy = `upgrade it to ${SAFE_FROM.join(".")} or newer`;
  return [{ state: "warn", text: `LiteLLM ${version} has known holes that let strangers in.`, remedy }];
}

function isBefore(version: string, floor: readonly number[]): boolean {
  const parts = version.split(/[.\-+]/).map(Number);
  for (const [index, least] of floor.entries()) {
    const part = parts[index] ?? 0;
    // A version that cannot be read is not called unsafe.
    if (Number.isNaN(part) || part > least) return false;
    if (part < least) return true;
  }
  return false;
}

const originOf = (route: Route): string =>
  route.provider === "litellm" || route.api === "messages" ? route.baseURL.replace(/(\/v1)?\/*$/, "") : route.baseURL.replace(/\/*$/, "");

interface Reply {
  readonly status: number;
  readonly body: unknown;
  /** The error's type, where there is one. */
  readonly error: string | undefined;
}

const errorSchema = z.object({ error: z.object({ type: z.string() }) });

async function ask(route: Route, url: string, { fetch = globalThis.fetch, signal }: RouteCheckOptions): Promise<Reply | undefined> {
  const key = route.apiKey ?? "";
  const headers: Record<string, string> =
    route.provider === "anthropic" ? { "x-api-key": key, "anthropic-version": "2023-06-01" } : { authorization: `Bearer ${key}` };
  try {
    const response = await fetch(url, { headers, signal });
    const text = await response.text();
    const body = parse(text);
    return { status: response.status, body, error: errorSchema.safeParse(body).data?.error.type };
  } catch {
    return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
