/** A fleet whose tool hangs the whole process the first time, as told by the effects file. */
import { appendFileSync, existsSync } from "node:fs";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../../src/index.ts";

const hang = tool({
  name: "hang",
  description: "Hangs the main loop, once.",
  parameters: z.object({}),
  execute: async () => {
    const file = process.env["EFFECTS_FILE"] ?? "effects.txt";
    const isFirst = !existsSync(file);
    appendFileSync(file, `hang ${process.pid}\n`);
    if (isFirst) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120_000);
    return "back";
  },
});

const hanging = new Agent({ name: "hanging", model: "hanging-model", tools: [toolPolicy(hang, { onCrash: "idempotent" })] });

export const fleet = createFleet({ agents: { hanging } });
