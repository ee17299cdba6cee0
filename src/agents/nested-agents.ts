/**
 * The agents that an agent uses as tools. Which tool is which agent's, the SDK keeps in a registry that it does not export; it is read by the
 * address of its module, which the supported release fixes. Only for looking: no run depends on it.
 */
import type { Tool } from "@openai/agents";
import { z } from "zod";
import type { AnyAgent } from "./catalog.ts";

type SourceOf = (tool: Tool) => unknown;

const registrySchema = z.object({ getAgentToolSourceAgent: z.custom<SourceOf>((value) => typeof value === "function") });

/** Agents by name, each once, whatever their depth. Undefined where the SDK does not tell. */
export async function nestedAgents(agents: Iterable<AnyAgent>): Promise<AnyAgent[] | undefined> {
  const sourceOf = await sdkRegistry();
  if (sourceOf === undefined) return undefined;
  const found = new Set<AnyAgent>();
  const look = (agent: AnyAgent): void => {
    for (const tool of agent.tools) {
      // The registry holds agents and nothing else.
      const nested = sourceOf(tool) as AnyAgent | undefined;
      if (nested === undefined || found.has(nested)) continue;
      found.add(nested);
      look(nested);
    }
  };
  for (const agent of agents) look(agent);
  return [...found];
}

async function sdkRegistry(): Promise<SourceOf | undefined> {
  try {
    const core = import.meta.resolve("@openai/agents-core");
    const loaded: unknown = await import(new URL("./agentToolSourceRegistry.mjs", core).href);
    return registrySchema.safeParse(loaded).data?.getAgentToolSourceAgent;
  } catch {
    return undefined;
  }
}
