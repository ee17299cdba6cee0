/** Guards the one look into a registry of the SDK that is not exported: which agents are used as tools. */
import { Agent, tool } from "@openai/agents";
import { expect, test } from "vitest";
import { z } from "zod";
import { nestedAgents } from "../../../src/agents/nested-agents.ts";

const asTool = (agent: Agent, toolName = `ask_${agent.name}`) => agent.asTool({ toolName, toolDescription: "Asks." });

test("agents used as tools are found at every depth, each once, and no other tool is taken for one", async () => {
  const plain = tool({ name: "plain", description: "Plain.", parameters: z.object({}), execute: async () => "" });
  const deep = new Agent({ name: "deep", model: "deep-model" });
  const middle = new Agent({ name: "middle", tools: [asTool(deep), plain] });
  const top = new Agent({ name: "top", tools: [asTool(middle), asTool(deep, "again")] });
  const found = await nestedAgents([top, middle]);
  expect(found?.map(({ name }) => name).toSorted()).toEqual(["deep", "middle"]);
  expect(found).toContain(deep);
  expect(await nestedAgents([new Agent({ name: "alone", tools: [plain] })])).toEqual([]);
});

test("agents that use each other are found and do not go on for ever", async () => {
  const a = new Agent({ name: "a" });
  const b = new Agent({ name: "b", tools: [asTool(a)] });
  a.tools.push(asTool(b));
  expect((await nestedAgents([a]))?.map(({ name }) => name).toSorted()).toEqual(["a", "b"]);
});
