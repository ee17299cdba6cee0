/** The fleet of the tests of stopping: a streamed and an unstreamed model, a tool that heeds its signal and one that does not. */
import { once } from "node:events";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, currentCall } from "../../../src/index.ts";

const never = new Promise<string>(() => undefined);

const heedful = tool({
  name: "heedful",
  description: "Works until it is told to stop.",
  parameters: z.object({}),
  execute: async () => {
    const { signal } = currentCall() ?? {};
    if (signal !== undefined) await once(signal, "abort");
    throw new Error("stopped");
  },
});

const stubborn = tool({ name: "stubborn", description: "Never ends.", parameters: z.object({}), execute: () => never });

const streamed = new Agent({ name: "streamed", model: "m" });
const whole = new Agent({ name: "whole", model: "m" });
const acting = new Agent({ name: "acting", model: "m", tools: [heedful, stubborn] });

export const fleet = createFleet({ agents: { streamed, whole: { agent: whole, stream: false }, acting } });
