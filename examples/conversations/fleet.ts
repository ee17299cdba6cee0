/** A fleet whose long conversations are summed up. Quoted by docs/how-to/conversations.md. */
import { Agent } from "@openai/agents";
import { createFleet } from "../../src/index.ts";

const support = new Agent({ name: "support", instructions: "Answer the customer.", model: "gpt-5.4-mini" });

// #region compact
export const fleet = createFleet({
  agents: { support },
  conversation: { compact: { overTokens: 60_000, keepTurns: 10, how: { summariseWith: "gpt-5.4-mini" } } },
});
// #endregion
