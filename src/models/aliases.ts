/** What a fleet's `models` say: which names stand for others, and which prefixes for servers. */
import type { Model } from "@openai/agents";
import { FleetError } from "../protocol/errors.ts";
import type { ModelServer } from "./servers.ts";

/** Alias to an SDK model or to another name; or prefix to the server that serves the names behind it. */
export type Models = Readonly<Record<string, Model | string | ModelServer>>;

const isServer = (entry: Models[string] | undefined): entry is ModelServer => typeof entry === "object" && "baseURL" in entry;

export const serversIn = (models: Models): Readonly<Record<string, ModelServer>> =>
  Object.fromEntries(Object.entries(models).flatMap(([prefix, entry]) => (isServer(entry) ? [[prefix, entry]] : [])));

/** @throws FleetError INPUT_INVALID for aliases that go round in a circle. */
export function followAliases(models: Models, name: string): Model | string {
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
    // A server's own name is a prefix and no model.
    if (next === undefined || isServer(next)) return current;
    if (typeof next !== "string") return next;
    current = next;
  }
}
