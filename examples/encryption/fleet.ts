/** A fleet whose payloads are sealed, and that keeps its runs for different times. Quoted by docs/how-to/encryption-and-deletion.md. */
import { Agent } from "@openai/agents";
import { createFleet, payloadCodec } from "../../src/index.ts";

/** Where your service keeps its secrets. */
export interface Secrets {
  readonly payloadKey2025: string;
  readonly payloadKey2026: string;
}

export function createSealedFleet(secrets: Secrets) {
  const support = new Agent({ name: "support", instructions: "Answer the customer.", model: "gpt-5.4-mini" });
  // #region fleet
  const codec = payloadCodec({
    // All of them open; `current` seals.
    keys: { k2025: secrets.payloadKey2025, k2026: secrets.payloadKey2026 },
    current: "k2026",
  });
  const fleet = createFleet({
    agents: { support },
    codec,
    retention: { completedMs: 24 * 60 * 60 * 1_000, failedMs: 30 * 24 * 60 * 60 * 1_000 },
  });
  // #endregion
  return fleet;
}
