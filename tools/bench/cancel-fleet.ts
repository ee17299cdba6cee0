import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, currentCall } from "../../src/index.ts";

/** Asks the provider, which holds the call: so the provider sees when the tool is stopped. */
const ask = tool({
  name: "ask",
  description: "Asks another service.",
  parameters: z.object({}),
  execute: async () => {
    const signal = currentCall()?.signal ?? null;
    const body = JSON.stringify({ model: "tool", input: "go" });
    await fetch(`${process.env["OPENAI_BASE_URL"]}/responses`, { method: "POST", body, signal });
  },
});

export const fleet = createFleet({
  agents: {
    streamed: new Agent({ name: "streamed", model: "held" }),
    whole: { agent: new Agent({ name: "whole", model: "held" }), stream: false },
    acting: new Agent({ name: "acting", model: "acting", tools: [ask] }),
  },
});
