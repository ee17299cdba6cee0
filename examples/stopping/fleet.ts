/** Agents whose loops are noticed, and a tool that is meant to be asked again. Quoted by docs/how-to/stopping.md. */
import { Agent, tool } from "@openai/agents";
import { z } from "zod";
import { createFleet, toolPolicy } from "../../src/index.ts";

export interface Builds {
  state(build: string): Promise<string>;
}

export function createReleaseFleet(builds: Builds) {
  // #region loops
  const buildState = tool({
    name: "build_state",
    description: "Says how far a build is.",
    parameters: z.object({ build: z.string() }),
    execute: ({ build }) => builds.state(build),
  });
  const release = new Agent({
    name: "release",
    model: "gpt-5.4-mini",
    instructions: "Wait for the build, then say how it went.",
    // Asked again until the build is done: that is no loop.
    tools: [toolPolicy(buildState, { onCrash: "idempotent", repeats: "allowed" })],
  });
  const fleet = createFleet({
    agents: { release: { agent: release, limits: { turns: 40, repeats: { calls: 3, handoffs: 2, onLoop: "ask" } } } },
  });
  // #endregion
  return fleet;
}
