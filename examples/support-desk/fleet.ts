/** The support desk as a fleet. `flotilla worker examples/support-desk/fleet.ts` runs it on as many machines as you like. */
import { createFleet } from "../../src/index.ts";
import { account, billing, refunds, technical, triage } from "./agents.ts";

export const fleet = createFleet({
  agents: { triage, billing, technical, account, refunds },
  // Made in the worker for each run and never stored: what the submitter sends as context wins.
  context: ({ context }) => ({ refundsFile: process.env["SUPPORT_DESK_REFUNDS"] ?? "refunds.jsonl", ...context }),
});
