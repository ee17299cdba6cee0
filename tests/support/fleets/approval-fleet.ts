/**
 * The fleet of the approval tests: a tool that a person must allow, another one inside an agent that is used as a tool, one that waits for two
 * seconds only, and an agent behind a handoff that has the same tool as the first.
 */
import { appendFileSync } from "node:fs";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../../src/index.ts";

const note = (line: string): void => appendFileSync(process.env["EFFECTS_FILE"] ?? "effects.txt", `${line}\n`);

const asking = (name: string) =>
  tool({
    name,
    description: "Writes one line to the effects file.",
    parameters: z.object({ amount: z.number() }),
    needsApproval: true,
    execute: async ({ amount }) => {
      note(`${name} ${amount}`);
      return `${name} done`;
    },
  });

const auditor = new Agent({ name: "auditor", model: "auditor-model", tools: [asking("audit")] });
const hurried = toolPolicy(asking("hurried"), { approval: { withinMs: 2_000, onTimeout: "reject" } });
const back = new Agent({ name: "back", model: "back-model", tools: [asking("refund")] });
const desk = new Agent({
  name: "desk",
  model: "desk-model",
  handoffs: [back],
  tools: [asking("refund"), hurried, auditor.asTool({ toolName: "ask_auditor", toolDescription: "Asks the auditor." })],
});

export const fleet = createFleet({
  agents: { desk, back },
  approvers: ({ by }) => by !== "mallory",
  hooks: { onApprovalRequested: ({ tool: name, callId }) => note(`asked for ${name} ${callId}`) },
});
