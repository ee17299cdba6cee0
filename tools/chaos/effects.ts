/** The file in which the tools leave their effects: what happened outside of the fleet, whatever the fleet believes. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { TOOLS } from "./jobs.ts";

const effectLineSchema = z.strictObject({
  /** `enter`: the tool was called. `block`: the event loop is held from here. `effect`: it happened. */
  phase: z.enum(["enter", "block", "effect"]),
  tool: z.enum(TOOLS),
  job: z.int(),
  /** The call's idempotency key: `<runId>/<callId>`. */
  key: z.string(),
  pid: z.int(),
  atMs: z.int(),
  ms: z.int(),
});
export type EffectLine = z.infer<typeof effectLineSchema>;

export const effectText = (line: EffectLine): string => `${JSON.stringify(line)}\n`;

export function readEffects(file: string): EffectLine[] {
  return readText(file)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => effectLineSchema.parse(JSON.parse(line)));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // No effect yet, no file.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
