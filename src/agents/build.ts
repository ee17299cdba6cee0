/**
 * What an agent is made of, as far as it can be told from outside: instructions that are text, tools with their schemas, the output's
 * schema, the model's name, handoffs. Functions cannot be looked into: a change inside one shows only in the deploy's own `version`.
 */
import { getHandoff } from "@openai/agents";
import { z } from "zod";
import type { AgentBuild } from "../protocol/attempt.ts";
import type { AnyAgent, CatalogEntry } from "./catalog.ts";
import { canonicalJson, sha256 } from "./journal-entry.ts";

const FINGERPRINT_CHARS = 12;

const known = new WeakMap<CatalogEntry, AgentBuild>();

export function buildOf(entry: CatalogEntry): AgentBuild {
  const build = known.get(entry) ?? { version: entry.version, fingerprint: fingerprintOf(entry.agent) };
  known.set(entry, build);
  return build;
}

function fingerprintOf(agent: AnyAgent): string {
  const { instructions, tools, handoffs, outputType, model } = agent;
  const parts = {
    instructions: typeof instructions === "string" ? instructions : "function",
    tools: tools
      .map((tool) => (tool.type === "function" ? canonicalJson([tool.name, tool.description, tool.parameters]) : tool.name))
      .sort(),
    handoffs: handoffs.map((handoff) => getHandoff(handoff).agentName).sort(),
    outputType: schemaOf(outputType),
    model: typeof model === "string" ? model : "object",
  };
  return sha256(canonicalJson(parts)).slice(0, FINGERPRINT_CHARS);
}

/** Schemas of other kinds than Zod's own are JSON already, or cannot be told. */
function schemaOf(outputType: unknown): unknown {
  if (!(outputType instanceof z.ZodType)) return typeof outputType === "object" ? canonicalJson(outputType) : outputType;
  try {
    return z.toJSONSchema(outputType);
  } catch {
    // A transform, or a custom type: it has no JSON schema.
    return "unknown";
  }
}
