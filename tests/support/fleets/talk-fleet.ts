/** The fleet of the conversation tests: one agent that only talks. */
import { Agent } from "@openai/agents";
import { createFleet } from "../../../src/index.ts";

export const fleet = createFleet({ agents: { talker: new Agent({ name: "talker", model: "talk-model" }) } });
