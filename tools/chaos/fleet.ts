/**
 * The fleet of the chaos workers, loaded by their command line: three agents, one idempotent tool, one whose effect a person must
 * vouch for, one that a person must approve.
 */
import { appendFileSync, openSync, closeSync } from "node:fs";
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { systemClock } from "../../src/clock.ts";
import { createFleet, currentCall, type FleetWorkerOptions, toolPolicy } from "../../src/index.ts";
import { type EffectLine, effectText } from "./effects.ts";
import { type ToolName, toolResult } from "./jobs.ts";

const effectsFile = process.env["CHAOS_EFFECTS_FILE"] ?? "effects.jsonl";
/** Long enough for a fault to come between the intent, the effect and the result. */
const PAUSE_MS = 25;

/** One write of one line to a file opened for appending: lines of several processes never mix. */
const tell = (line: EffectLine): void => appendFileSync(effectsFile, effectText(line));

/** The event loop stands still, without using the processor. */
const holdLoop = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** True for the first process that asks, whatever becomes of it. */
function isFirst(name: string): boolean {
  try {
    closeSync(openSync(`${effectsFile}.${name}`, "wx"));
    return true;
  } catch {
    return false;
  }
}

const chaosTool = (name: ToolName, needsApproval = false) =>
  tool({
    name,
    needsApproval,
    description: "Leaves a line in the effects file.",
    parameters: z.object({ job: z.int(), value: z.int(), blockMs: z.int() }),
    execute: async ({ job, value, blockMs }) => {
      const about = { tool: name, job, key: currentCall()?.idempotencyKey ?? "", pid: process.pid };
      const at = (): number => systemClock.nowMs();
      tell({ phase: "enter", ...about, atMs: at(), ms: 0 });
      await systemClock.sleep(PAUSE_MS + (job % 7) * 5);
      if (blockMs > 0 && isFirst(`block-${job}`)) {
        tell({ phase: "block", ...about, atMs: at(), ms: blockMs });
        holdLoop(blockMs);
      }
      tell({ phase: "effect", ...about, atMs: at(), ms: 0 });
      await systemClock.sleep(PAUSE_MS + (job % 5) * 5);
      return toolResult(name, value);
    },
  });

const closer = new Agent({ name: "closer", model: "closer-model" });
const middle = new Agent({
  name: "middle",
  model: "middle-model",
  tools: [chaosTool("charge"), chaosTool("refund", true)],
  handoffs: [closer],
});
const opener = new Agent({
  name: "opener",
  model: "opener-model",
  tools: [toolPolicy(chaosTool("note"), { onCrash: "idempotent" })],
  handoffs: [middle],
});

const plain = createFleet({ agents: { opener, middle: { agent: middle, queue: "slow" }, closer } });
const leaseMs = Number(process.env["CHAOS_LEASE_MS"]);

/** The command line has no flag for the lease: short ones keep the tests short. */
export const fleet = {
  ...plain,
  worker: (options: FleetWorkerOptions = {}) => plain.worker(leaseMs > 0 ? { ...options, leaseMs } : options),
};
