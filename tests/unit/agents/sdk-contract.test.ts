/** The SDK contract: a graph behaves in the fleet as it does in plain `Runner.run` — output, items, usage, hook order. */
import { Agent, defineToolInputGuardrail, handoff, type MCPServer, tool, ToolGuardrailFunctionOutputFactory } from "@openai/agents";
import { removeAllTools } from "@openai/agents-core/extensions";
import { functionCall } from "@openai/agents/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type Case, runFleet, runPlain } from "../../support/contract.ts";
import { answer, call, say } from "../../support/script.ts";

const lookup = (note: (what: string) => void) =>
  tool({
    name: "lookup",
    description: "Looks something up.",
    parameters: z.object({ q: z.string() }),
    execute: async ({ q }, context) => {
      note(`lookup ${q}`);
      Object.assign(context?.context ?? {}, { found: q });
      return { found: q };
    },
  });

const searchServer = (note: (what: string) => void): MCPServer => ({
  name: "searcher",
  cacheToolsList: true,
  connect: async () => undefined,
  close: async () => undefined,
  invalidateToolsCache: async () => undefined,
  listTools: async () => [
    {
      name: "search",
      description: "Searches.",
      inputSchema: { type: "object", properties: { q: { type: "string" } }, required: ["q"], additionalProperties: false },
    },
  ],
  callTool: async (_name, args) => {
    note(`search ${String(args?.["q"])}`);
    return [{ type: "text", text: "a hit" }];
  },
});

const CASES: Record<string, Case> = {
  "a text answer": {
    graph: () => {
      const a = new Agent({ name: "a", instructions: "Answer.", model: "m" });
      return { agents: { a }, entry: a };
    },
    script: [say("hi")],
  },
  "tools, function instructions and context": {
    graph: (note) => {
      const a = new Agent<{ found?: string }>({
        name: "a",
        instructions: (context) => `Found: ${context.context.found ?? "nothing"}`,
        model: "m",
        tools: [lookup(note)],
      });
      return { agents: { a }, entry: a };
    },
    script: [
      answer(functionCall("lookup", { q: "x" }, { callId: "c1" }), functionCall("lookup", { q: "y" }, { callId: "c2" })),
      say("done"),
    ],
  },
  "a structured output": {
    graph: () => {
      const a = new Agent({ name: "a", model: "m", outputType: z.object({ n: z.number() }) });
      return { agents: { a }, entry: a };
    },
    script: [say('{"n":42}')],
  },
  "a handoff by agent": {
    graph: (note) => {
      const b = new Agent({ name: "b", model: "m", tools: [lookup(note)] });
      const a = new Agent({ name: "a", model: "m", handoffs: [b] });
      return { agents: { a, b }, entry: a };
    },
    script: [call("transfer_to_b", {}, "c1"), call("lookup", { q: "x" }, "c2"), say("from b")],
  },
  "handoff() with inputType, onHandoff and inputFilter": {
    graph: (note) => {
      const b = new Agent({ name: "b", model: "m" });
      const a = new Agent({
        name: "a",
        model: "m",
        tools: [lookup(note)],
        handoffs: [
          handoff(b, {
            inputType: z.object({ reason: z.string() }),
            onHandoff: (_context, input) => note(`handed off because ${input?.reason}`),
            inputFilter: removeAllTools,
          }),
        ],
      });
      return { agents: { a, b }, entry: a };
    },
    script: [call("lookup", { q: "x" }, "c0"), call("transfer_to_b", { reason: "refund" }, "c1"), say("from b")],
  },
  "a disabled handoff": {
    graph: () => {
      const b = new Agent({ name: "b", model: "m" });
      const a = new Agent({ name: "a", model: "m", handoffs: [handoff(b, { isEnabled: false })] });
      return { agents: { a, b }, entry: a };
    },
    script: [say("no handoff")],
  },
  "agents as tools, in parallel, with tools of their own": {
    graph: (note) => {
      const inner = new Agent({ name: "inner", model: "m", tools: [lookup(note)] });
      const outer = new Agent({ name: "outer", model: "m", tools: [inner.asTool({ toolName: "ask_inner", toolDescription: "Asks." })] });
      return { agents: { outer }, entry: outer };
    },
    script: [call("ask_inner", { input: "q1" }, "c1"), call("lookup", { q: "deep" }, "c2"), say("inner answer"), say("outer answer")],
  },
  "stop on the first tool": {
    graph: (note) => {
      const a = new Agent({ name: "a", model: "m", tools: [lookup(note)], toolUseBehavior: "stop_on_first_tool" });
      return { agents: { a }, entry: a };
    },
    script: [call("lookup", { q: "x" }, "c1")],
  },
  "a tool guardrail that rejects": {
    graph: (note) => {
      const guarded = tool({
        name: "guarded",
        description: "Guarded.",
        parameters: z.object({ q: z.string() }),
        execute: async () => "never",
        inputGuardrails: [
          defineToolInputGuardrail({
            name: "no",
            run: async () => {
              note("guardrail");
              return ToolGuardrailFunctionOutputFactory.rejectContent("not allowed");
            },
          }),
        ],
      });
      const a = new Agent({ name: "a", model: "m", tools: [guarded] });
      return { agents: { a }, entry: a };
    },
    script: [call("guarded", { q: "x" }, "c1"), say("ok")],
  },
  "a tool that fails": {
    graph: () => {
      const broken = tool({
        name: "broken",
        description: "Breaks.",
        parameters: z.object({}),
        execute: async () => {
          throw new Error("broken");
        },
      });
      const a = new Agent({ name: "a", model: "m", tools: [broken] });
      return { agents: { a }, entry: a };
    },
    script: [call("broken", {}, "c1"), say("it broke")],
  },
  "tools of an MCP server": {
    graph: (note) => {
      const a = new Agent({ name: "a", model: "m", mcpServers: [searchServer(note)] });
      return { agents: { a }, entry: a };
    },
    script: [call("search", { q: "x" }, "c1"), say("found")],
  },
  "input and output guardrails that pass": {
    graph: (note) => {
      const guard = (name: string) => ({
        name,
        execute: async () => {
          note(name);
          return { tripwireTriggered: false, outputInfo: {} };
        },
      });
      const b = new Agent({ name: "b", model: "m", inputGuardrails: [guard("in b")], outputGuardrails: [guard("out b")] });
      const a = new Agent({
        name: "a",
        model: "m",
        handoffs: [b],
        inputGuardrails: [{ ...guard("in a"), runInParallel: false }],
        outputGuardrails: [guard("out a")],
      });
      return { agents: { a, b }, entry: a };
    },
    script: [call("transfer_to_b", {}, "c1"), say("done")],
  },
};

describe("the same graph in plain Runner.run and in the fleet", () => {
  for (const [name, example] of Object.entries(CASES)) {
    test(`${name} gives the same output, items, usage and hooks`, async () => {
      const plain = await runPlain(example);
      const fleet = await runFleet(example);
      expect(fleet).toEqual(plain);
      expect(plain.requests).toBeGreaterThan(0);
    });
  }
});
