/** The stock team runs through the real SDK against the fake provider. */
import { Agent, OpenAIProvider, Runner } from "@openai/agents";
import { OpenAI } from "openai";
import { expect, test } from "vitest";
import { createCatalog } from "../../../src/agents/catalog.ts";
import { createSpecialists } from "../../../src/agents/specialists/create-specialists.ts";
import { classifyFailure } from "../../../src/models/classify.ts";
import { type FakeRule, startFakeProvider } from "../../../src/testing/fake-provider.ts";

async function setup(reply: FakeRule) {
  const provider = await startFakeProvider({ reply });
  const client = new OpenAI({ apiKey: "k", baseURL: provider.url, maxRetries: 0 });
  const runner = new Runner({ tracingDisabled: true, modelProvider: new OpenAIProvider({ openAIClient: client, useResponses: true }) });
  return { provider, runner, specialists: createSpecialists({ model: "m" }), [Symbol.asyncDispose]: () => provider.close() };
}

const ORDER = {
  type: "object",
  properties: { id: { type: "string" }, items: { type: "array", items: { type: "string" } }, note: { type: "string" } },
  required: ["id", "items"],
  additionalProperties: false,
};

test("the whole team is a map that a fleet's catalog accepts", () => {
  const names = ["assistant", "planner", "researcher", "writer", "reviewer", "classifier", "extractor"];
  expect([...createCatalog(createSpecialists({ model: "m" }), "test").keys()].sort()).toEqual(names.sort());
});

test("every specialist has instructions, a description and the given model, and two teams share nothing", () => {
  const agents = Object.values(createSpecialists({ model: "m" })).map((entry) => (entry instanceof Agent ? entry : entry.agent));
  for (const agent of agents) {
    expect(agent.model).toBe("m");
    expect(String(agent.instructions).length).toBeGreaterThan(300);
    expect(agent.handoffDescription).not.toBe("");
  }
  expect(createSpecialists({ model: "m" }).writer).not.toBe(createSpecialists({ model: "m" }).writer);
});

test("a plan goes from the planner over researcher and writer to the reviewer", async () => {
  const next: Record<string, string> = { planner: "researcher", researcher: "writer", writer: "reviewer" };
  await using team = await setup(({ handoffs, instructions }) => {
    const me = instructions.startsWith("You plan")
      ? "planner"
      : instructions.startsWith("You collect")
        ? "researcher"
        : instructions.startsWith("You write")
          ? "writer"
          : "reviewer";
    const to = handoffs.find((name) => name === `transfer_to_${next[me] ?? ""}`);
    return to === undefined ? { text: "final text" } : { text: `work of ${me}`, toolCalls: [{ name: to, arguments: {} }] };
  });
  const result = await team.runner.run(team.specialists.planner, "Write about tides");
  expect(result.finalOutput).toBe("final text");
  expect(result.lastAgent?.name).toBe("reviewer");
  expect(team.provider.calls).toHaveLength(4);
});

test("the classifier answers with one of the labels of its settings", async () => {
  await using team = await setup(({ outputSchema }) => {
    expect(outputSchema).toMatchObject({ properties: { label: { enum: ["bug", "wish"] } } });
    return { text: JSON.stringify({ label: "wish", confidence: "high", reason: "it asks for more" }) };
  });
  const agent = team.specialists.classifier.configure({ labels: ["bug", "wish"], guidance: "a wish asks for more" });
  expect((await team.runner.run(agent, "please add dark mode")).finalOutput).toMatchObject({ label: "wish" });
});

test("a label that is not in the settings is a bad answer", async () => {
  await using team = await setup(() => ({ text: JSON.stringify({ label: "other", confidence: "high", reason: "" }) }));
  const run = team.runner.run(team.specialists.classifier.configure({ labels: ["bug", "wish"] }), "x");
  expect(classifyFailure(await run.catch((error: unknown) => error))).toMatchObject({ kind: "bad-answer" });
});

test("the extractor sends the schema in its strict form and gives optional fields back as absent", async () => {
  await using team = await setup(({ outputSchema }) => {
    expect(outputSchema).toMatchObject({ required: ["id", "items", "note"], additionalProperties: false });
    return { text: JSON.stringify({ id: "A-1", items: ["lamp"], note: null }) };
  });
  const agent = team.specialists.extractor.configure({ outputSchema: ORDER });
  expect((await team.runner.run(agent, "order A-1: a lamp")).finalOutput).toEqual({ id: "A-1", items: ["lamp"] });
});

test("an extraction that does not fit its schema is a bad answer", async () => {
  await using team = await setup(() => ({ text: JSON.stringify({ id: 7, items: [], note: null }) }));
  const run = team.runner.run(team.specialists.extractor.configure({ outputSchema: ORDER }), "x");
  expect(classifyFailure(await run.catch((error: unknown) => error))).toMatchObject({ kind: "bad-answer" });
});

test.each([
  ["classifier", {}, "settings.labels"],
  ["classifier", { labels: ["one"] }, "settings.labels"],
  ["classifier", { labels: ["a", "a"] }, "settings.labels"],
  ["classifier", { labels: ["a", "b"], lables: [] }, "settings"],
  ["extractor", undefined, "settings.outputSchema"],
  ["extractor", { outputSchema: { type: "array" } }, "settings.outputSchema.type"],
  ["extractor", { outputSchema: { type: "object", properties: { x: { type: "nothing" } } } }, "settings.outputSchema"],
  ["extractor", { outputSchema: { type: "object", properties: { x: { $ref: "#/$defs/none" } } } }, "settings.outputSchema"],
  [
    "extractor",
    { outputSchema: { type: "object", properties: { x: { allOf: [{ type: "string" }] } }, required: ["x"] } },
    "settings.outputSchema",
  ],
] as const)("the %s refuses the settings %j and names the field", (name, settings, at) => {
  const { configure } = createSpecialists({ model: "m" })[name];
  expect(() => configure(settings)).toThrow(expect.objectContaining({ code: "INPUT_INVALID", at }));
});
