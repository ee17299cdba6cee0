/** What is taken for the answer of an agent with an output type, and what is said of one that is not taken. */
import { Agent } from "@openai/agents";
import { assistantMessage, functionCall } from "@openai/agents/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { earlyEndOf } from "../../../src/agents/finish-reason.ts";
import { soleJsonObject, whyRefused, withSoleJson } from "../../../src/agents/structured-answer.ts";

test.each([
  ["a fence with its language", '```json\n{"n":1}\n```', '{"n":1}'],
  ["a fence without", '```\n{"n":1}\n```', '{"n":1}'],
  ["prose before and after a fence", 'Here it is:\n```json\n{\n "n": 1\n}\n```\nAnything else?', '{\n "n": 1\n}'],
  ["a fence, and an example in the prose", 'Your {"n":0} became\n```json\n{"n":1}\n```', '{"n":1}'],
  ["a sentence before", 'The answer is {"n":1}', '{"n":1}'],
  ["a sentence after, with braces that are no JSON", '{"n":1} — see {placeholder}', '{"n":1}'],
  ["an apostrophe in the prose", 'It\'s "this": {"n":1}', '{"n":1}'],
  ["braces and fences within strings", 'So: {"n":"}{ \\" ``` "}', '{"n":"}{ \\" ``` "}'],
  ["nested objects", 'So: {"a":{"b":{}}}!', '{"a":{"b":{}}}'],
  ["a fence on one line", '```json {"n":1} ```', '{"n":1}'],
])("%s: the object is found", (_what, text, expected) => {
  expect(soleJsonObject(text)).toBe(expected);
});

test.each([
  ["two objects", '{"n":1} or {"n":2}'],
  ["two fences", '```\n{"n":1}\n```\nor\n```\n{"n":2}\n```'],
  ["an array", "[1,2]"],
  ["an object cut off", 'So: {"n":1, "list": [1'],
  ["prose", "I cannot know that."],
  ["single quotes", "{'n': 1}"],
  ["nothing", ""],
])("%s: nothing is guessed", (_what, text) => {
  expect(soleJsonObject(text)).toBeUndefined();
});

test("any object in any prose without braces is found, and is the same value", () => {
  const prose = fc.string().map((text) => text.replaceAll(/[{}`]/g, ""));
  fc.assert(
    fc.property(prose, fc.dictionary(fc.string(), fc.jsonValue()), prose, (before, value, after) => {
      const json = JSON.stringify(value);
      expect(soleJsonObject(`${before}${json}${after}`)).toBe(json);
      expect(soleJsonObject(`${before}\n\`\`\`json\n${json}\n\`\`\`\n${after}`)).toBe(json);
    }),
  );
});

test.each(["{", '{"', "{}", "```\n", '{"a":'])("a megabyte of %j is read once", (part) => {
  expect(soleJsonObject(part.repeat(1_000_000 / part.length))).toBeUndefined();
});

test("only answers of agents with an output type are looked into, and only where nothing else was called", () => {
  const fenced = [assistantMessage('```json\n{"n":1}\n```')];
  const schema = { type: "json_schema" as const, name: "o", strict: true, schema: {} as never };
  expect(withSoleJson(fenced, "text")).toBe(fenced);
  expect(withSoleJson(fenced, schema)).toMatchObject([{ content: [{ type: "output_text", text: '{"n":1}' }] }]);
  const acting = [...fenced, functionCall("step", {}, { callId: "c" })];
  expect(withSoleJson(acting, schema)).toBe(acting);
  const plain = [assistantMessage('{"n":1}')];
  expect(withSoleJson(plain, schema)).toBe(plain);
});

test("why an answer was refused names places and expectations, and quotes nothing", () => {
  const agent = new Agent({ name: "a", outputType: z.object({ order: z.object({ id: z.number() }), tags: z.array(z.string()) }) });
  expect(whyRefused(agent, '{"order":{"id":"secret words"},"tags":[1]}')).toMatchInlineSnapshot(
    `"At order.id: Invalid input: expected number, received string. At tags.0: Invalid input: expected string, received number."`,
  );
  expect(whyRefused(agent, "secret words")).toBe("It is not one JSON object.");
  expect(whyRefused(agent, "")).toBe("It was empty.");
});

test.each([
  ["Chat Completions", { choices: [{ finish_reason: "length" }] }, "length"],
  ["a Chat chunk of a filter", { choices: [{ finish_reason: "content_filter" }] }, "content_filter"],
  ["Responses", { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, "length"],
  ["a Responses event", { type: "response.incomplete", response: { incomplete_details: { reason: "content_filter" } } }, "content_filter"],
  ["the AI SDK", { finishReason: "length" }, "length"],
  ["a newer AI SDK", { finishReason: { unified: "content-filter", raw: "x" } }, "content_filter"],
  ["Anthropic", { stop_reason: "max_tokens" }, "length"],
  ["an answer that ended", { choices: [{ finish_reason: "stop" }], incomplete_details: null }, undefined],
  ["a name of every object", { finishReason: "toString" }, undefined],
  ["nothing", undefined, undefined],
])("why the model stopped is read from %s", (_what, raw, expected) => {
  expect(earlyEndOf(raw)).toBe(expected);
});
