// #region routes
import { Agent } from "@openai/agents";
import { createFleet, openAICompatible } from "../../src/index.ts";

const triage = new Agent({ name: "triage", instructions: "Sort the mail.", model: "anthropic/claude-sonnet-4-6" });
const writer = new Agent({ name: "writer", instructions: "Answer the mail.", model: "best" });
const tagger = new Agent({ name: "tagger", instructions: "Name the topic.", model: "local/llama" });

export const fleet = createFleet({
  agents: { triage, writer, tagger },
  models: {
    // An alias: agents say "best", the deploy says what that is.
    best: "gpt-5.2",
    // A server: names that begin with "local/" are asked of it, without the prefix.
    local: openAICompatible({ baseURL: "http://127.0.0.1:11434/v1" }),
  },
  // US dollars for a million tokens, for calls whose cost no proxy tells.
  prices: { best: { input: 1.75, cachedInput: 0.175, output: 14 } },
  // A tenant's own key; without an answer, the fleet's.
  credentials: ({ tenant, provider }) => (tenant === "acme" && provider === "openai" ? { apiKey: "acme-key" } : undefined),
});
// #endregion
