/** A run that waits for a person, in memory. */
import { Agent, type Tool, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { z } from "zod";
import { createFleet, type FleetOptions } from "../../src/index.ts";
import { testFleet } from "../../src/testing/test-fleet.ts";

/** A tool that needs approval and notes what it paid. No JSON Schema can say what it refuses beside other types: 13. */
export const refunding = (paid: number[], extra: object = {}) =>
  tool({
    name: "refund",
    description: "Refunds.",
    parameters: z.object({ amount: z.number().refine((amount) => amount !== 13, "must not be 13") }),
    needsApproval: true,
    execute: async ({ amount }) => {
      paid.push(amount);
      return `refunded ${amount}`;
    },
    ...extra,
  });

type Script = ConstructorParameters<typeof ScriptedModel>[0];

/** A run of one agent, of tenant acme, settled until it waits. `open` gives the calls that wait. */
export async function waitingRun(script: Script, { tools, options = {} }: { tools: Tool[]; options?: Partial<FleetOptions> }) {
  const a = new Agent({ name: "a", model: "m", tools });
  const model = new ScriptedModel(script);
  const fleet = testFleet(createFleet({ ...options, agents: { a } }), { models: { m: model } });
  const run = await fleet.submit("a", "go", { tenant: "acme" });
  await fleet.settle();
  const open = async () => (await fleet.info(run.id)).approvals.map(({ callId }) => callId);
  return { fleet, model, run, open };
}
