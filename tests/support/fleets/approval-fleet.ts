/** The fleet of the approval tests: a tool that a person must allow, and another one inside an agent that is used as a tool. */
import { appendFileSync } from "node:fs";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet } from "../../../src/index.ts";

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
const desk = new Agent({
  name: "desk",
  model: "desk-model",
  tools: [asking("refund"), auditor.asTool({ toolName: "ask_auditor", toolDescription: "Asks the auditor." })],
});

export const fleet = createFleet({
  agents: { desk },
  approvers: ({ by }) => by !== "mallory",
  hooks: { onApprovalRequested: ({ tool: name, callId }) => note(`asked for ${name} ${callId}`) },
});
