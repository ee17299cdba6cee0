import { Agent, tool } from "@openai/agents";
import { ScriptedModel } from "@openai/agents/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createFleet } from "../../../src/index.ts";
import { testFleet } from "../../../src/testing/test-fleet.ts";
import { call, say } from "../../support/script.ts";

test("who follows a run is shown what a tool returned, not how it is stored", async () => {
  const find = tool({ name: "find", description: "Finds.", parameters: z.object({}), execute: () => ({ order: "1842", charges: 2 }) });
  const a = new Agent({ name: "a", model: "m", tools: [find] });
  const fleet = testFleet(createFleet({ agents: { a } }), { models: { m: new ScriptedModel([call("find"), say("done")]) } });
  const result = await fleet.complete("a", "go");
  expect((await fleet.eventsOf(result?.runId ?? "")).find(({ type }) => type === "tool.completed")).toMatchObject({
    preview: '{"order":"1842","charges":2}',
  });
});
