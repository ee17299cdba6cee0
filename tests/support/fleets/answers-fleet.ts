/** The fleet of the tests on guardrails and structured answers: an agent that a model guards, one with an output type, one with an input schema. */
import { Agent } from "@openai/agents";
import { z } from "zod";
import { guardInput, judgedBy } from "../../../src/guardrails/index.ts";
import { createFleet } from "../../../src/index.ts";

const onTopic = judgedBy({ name: "on-topic", model: "judge-model", rule: "The text must be about orders." });
const guarded = new Agent({ name: "guarded", model: "guarded-model", inputGuardrails: [guardInput(onTopic)] });
const counter = new Agent({ name: "counter", model: "counter-model", outputType: z.object({ n: z.number() }) });
const clerk = new Agent({ name: "clerk", model: "clerk-model" });

export const fleet = createFleet({ agents: { guarded, counter, clerk: { agent: clerk, input: z.strictObject({ order: z.int() }) } } });
