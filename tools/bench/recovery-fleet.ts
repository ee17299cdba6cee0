import { Agent } from "@openai/agents";
import { createFleet } from "../../src/index.ts";

export const fleet = createFleet({ agents: { a: new Agent({ name: "a", model: "gpt-bench" }) } });
