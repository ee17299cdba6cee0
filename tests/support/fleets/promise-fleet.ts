/** The fleet of the process tests: two specialists, an effect that can be counted from outside, a tool that undeclared tools stand for. */
import { appendFileSync } from "node:fs";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, currentCall, toolPolicy } from "../../../src/index.ts";

const effect = (name: string) =>
  tool({
    name,
    description: "Writes one line to the effects file.",
    parameters: z.object({}),
    execute: async () => {
      appendFileSync(process.env["EFFECTS_FILE"] ?? "effects.txt", `${name} ${currentCall()?.idempotencyKey}\n`);
      return "written";
    },
  });

const closer = new Agent({ name: "closer", model: "closer-model", tools: [effect("undeclared")] });
const opener = new Agent({
  name: "opener",
  model: "opener-model",
  tools: [toolPolicy(effect("repeatable"), { onCrash: "idempotent" })],
  handoffs: [closer],
});

export const fleet = createFleet({ agents: { opener, closer: { agent: closer, queue: "slow" } } });
