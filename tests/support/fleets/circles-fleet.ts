/** The fleet of the tests of loops and versions. What a deploy may change comes from the environment. */
import { appendFileSync } from "node:fs";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../../src/index.ts";

const { DEPLOY_VERSION = "v1", DEPLOY_WORDS = "Be brief.", DEPLOY_POLICY, EFFECTS_FILE = "" } = process.env;

const acting = (name: string, needsApproval: boolean) =>
  toolPolicy(
    tool({
      name,
      description: name,
      parameters: z.object({}),
      needsApproval,
      execute: () => {
        appendFileSync(EFFECTS_FILE, `${name}\n`);
        return "as before";
      },
    }),
    { onCrash: "idempotent" },
  );

const looker = new Agent({ name: "looker", model: "looker-model", tools: [acting("look", false)] });
const payer = new Agent({ name: "payer", model: "payer-model", instructions: DEPLOY_WORDS, tools: [acting("pay", true)] });

export const fleet = createFleet({
  version: DEPLOY_VERSION,
  onVersionChange: DEPLOY_POLICY === "fail" ? "fail" : "continue",
  agents: { looker: { agent: looker, limits: { repeats: { calls: 2, onLoop: "ask" } } }, payer },
});
