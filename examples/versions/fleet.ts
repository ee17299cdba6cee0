/** A fleet whose hops end with the version under which they began. Quoted by docs/how-to/versions.md. */
import { Agent } from "@openai/agents";
import { createFleet } from "../../src/index.ts";

const triage = new Agent({ name: "triage", model: "gpt-5.4-mini", instructions: "Answer the customer." });
const refunds = new Agent({ name: "refunds", model: "gpt-5.4-mini", instructions: "Decide what to pay back." });

/** @param commit the deploy's own id */
export const createVersionedFleet = (commit: string) =>
  // #region fleet
  createFleet({
    version: commit,
    agents: {
      triage,
      refunds: { agent: refunds, onVersionChange: "fail" },
    },
  });
// #endregion
