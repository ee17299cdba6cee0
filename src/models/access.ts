/** With which key a route is taken, and at which address: the tenant's own, or the fleet's. */
import { FleetError } from "../protocol/errors.ts";
import type { ProviderName, Route } from "./routes.ts";

export interface ModelCredentials {
  readonly apiKey?: string;
  readonly baseURL?: string;
}

export type ResolveCredentials = (request: {
  readonly tenant: string;
  readonly provider: ProviderName;
}) => ModelCredentials | undefined | Promise<ModelCredentials | undefined>;

export interface Access {
  readonly apiKey: string;
  readonly baseURL: string;
  readonly isTenants: boolean;
}

/** @throws FleetError MODEL_KEY_MISSING */
export function pickAccess(route: Route, given: ModelCredentials | undefined): Access {
  if (given?.apiKey === undefined && given?.baseURL !== undefined) {
    // The fleet's own key must not travel to an address that a tenant chose.
    throw new FleetError("MODEL_KEY_MISSING", `The credentials for ${route.provider} hold a baseURL without an apiKey.`, {
      at: "credentials",
      remedy: "return both, or neither",
    });
  }
  const apiKey = given?.apiKey ?? route.apiKey;
  if (apiKey === undefined) {
    throw new FleetError("MODEL_KEY_MISSING", `The model ${route.asked} has no key.`, {
      at: route.asked,
      remedy: `set ${route.keyVariable}, or return an apiKey from \`credentials\``,
    });
  }
  return { apiKey, baseURL: given?.baseURL ?? route.baseURL, isTenants: given?.apiKey !== undefined };
}
