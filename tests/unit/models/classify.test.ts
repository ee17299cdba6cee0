/** The table of failures, each row made by the real client and the real SDK against the fake provider wherever that can be. */
import { Agent, OpenAIProvider, Runner, tool } from "@openai/agents";
import { APIError, OpenAI } from "openai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { classifyFailure } from "../../../src/models/classify.ts";
import { DEFAULT_RATE_LIMIT_MS } from "../../../src/models/provider-errors.ts";
import { FleetError } from "../../../src/protocol/errors.ts";
import { type FakeReply, type FakeRule, startFakeProvider } from "../../../src/testing/fake-provider.ts";

interface Attempt {
  readonly reply?: FakeReply | FakeRule;
  readonly agent?: Partial<ConstructorParameters<typeof Agent>[0]>;
  readonly api?: "responses" | "chat";
  readonly stream?: boolean;
  readonly timeoutMs?: number;
  readonly maxTurns?: number;
  readonly signal?: AbortSignal;
}

/** The error with which a run of one agent ends. */
async function failureOf(attempt: Attempt) {
  const { reply = {} } = attempt;
  await using provider = await startFakeProvider({ reply: typeof reply === "function" ? reply : () => reply });
  const client = new OpenAI({ apiKey: "sk-secret-of-acme", baseURL: provider.url, maxRetries: 0, timeout: attempt.timeoutMs ?? 10_000 });
  const modelProvider = new OpenAIProvider({ openAIClient: client, useResponses: attempt.api !== "chat" });
  const runner = new Runner({ tracingDisabled: true, modelProvider });
  const agent = new Agent({ model: "m", ...attempt.agent, name: "a" });
  const options = { maxTurns: attempt.maxTurns ?? 3, ...(attempt.signal === undefined ? {} : { signal: attempt.signal }) };
  try {
    if (attempt.stream === true) {
      const result = await runner.run(agent, "hi", { ...options, stream: true });
      for await (const _event of result);
      await result.completed;
    } else {
      await runner.run(agent, "hi", options);
    }
  } catch (error) {
    return classifyFailure(error);
  }
  throw new Error("the run did not fail");
}

const lookup = (execute: () => unknown, extra: object = {}) =>
  tool({ name: "lookup", description: "d", parameters: z.object({}), execute, errorFunction: null, ...extra });
const callsLookup: FakeRule = () => ({ toolCalls: [{ name: "lookup", arguments: {} }] });
const trip = { tripwireTriggered: true, outputInfo: { why: "pii" } };
const never = (): Promise<never> => new Promise(() => {});

describe.each(["responses", "chat"] as const)("over the %s API", (api) => {
  test.each([
    ["retry-after in ms", { "retry-after-ms": "1500", "retry-after": "9" }, 1_500],
    ["retry-after in seconds", { "retry-after": "7" }, 7_000],
    ["the reset of an exhausted limit", { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2.5s" }, 62_500],
    ["nothing", {}, DEFAULT_RATE_LIMIT_MS],
  ])("a 429 that says %s is rate-limited", async (_what, headers, retryAfterMs) => {
    expect(await failureOf({ api, reply: { status: 429, errorCode: "rate_limit_exceeded", headers } })).toMatchObject({
      kind: "rate-limited",
      retryAfterMs,
    });
  });

  test.each([
    [429, "insufficient_quota", "MODEL_QUOTA_SPENT"],
    [402, "x", "MODEL_QUOTA_SPENT"],
    [400, "context_length_exceeded", "MODEL_CONTEXT_TOO_LONG"],
    [400, "invalid_value", "MODEL_CALL_FAILED"],
    [401, "invalid_api_key", "MODEL_KEY_REJECTED"],
    [403, "forbidden", "MODEL_KEY_REJECTED"],
    [404, "model_not_found", "MODEL_CALL_FAILED"],
    [422, "invalid", "MODEL_CALL_FAILED"],
  ])("status %i with code %s is final", async (status, errorCode, code) => {
    expect(await failureOf({ api, reply: { status, errorCode } })).toMatchObject({ kind: "final", code });
  });

  test.each([408, 409, 500, 502, 503, 504, 529])("status %i is transient", async (status) => {
    expect(await failureOf({ api, reply: { status } })).toMatchObject({ kind: "transient", code: "MODEL_UNAVAILABLE" });
  });

  test("a 503 passes on when to come back", async () => {
    expect(await failureOf({ api, reply: { status: 503, headers: { "retry-after": "3" } } })).toMatchObject({
      kind: "transient",
      retryAfterMs: 3_000,
    });
  });

  test("x-should-retry wins over the status", async () => {
    expect(await failureOf({ api, reply: { status: 500, headers: { "x-should-retry": "false" } } })).toMatchObject({ kind: "final" });
    expect(await failureOf({ api, reply: { status: 400, headers: { "x-should-retry": "true" } } })).toMatchObject({ kind: "transient" });
  });

  test("a reset, a cut stream and a client timeout are transient", async () => {
    const transient = { kind: "transient", code: "MODEL_UNAVAILABLE" };
    expect(await failureOf({ api, reply: { reset: true } })).toMatchObject(transient);
    expect(await failureOf({ api, stream: true, reply: { text: "0123456789".repeat(9), cut: 30 } })).toMatchObject(transient);
    expect(await failureOf({ api, timeoutMs: 30, reply: { hang: true } })).toMatchObject(transient);
  });

  test("an aborted call gives back the reason", async () => {
    const signal = AbortSignal.timeout(30);
    expect(await failureOf({ api, signal, reply: { hang: true } })).toMatchObject({ kind: "aborted" });
  });

  test.each([false, true])("a refusal is refused with its text (streamed: %s)", async (stream) => {
    expect(await failureOf({ api, stream, reply: { refusal: "I cannot help with that" } })).toMatchObject({
      kind: "refused",
      refusal: "I cannot help with that",
    });
  });

  test("an answer that breaks the output type is a bad answer, and its text is not repeated", async () => {
    const failure = await failureOf({ api, agent: { outputType: z.object({ answer: z.string() }) }, reply: { text: "private words" } });
    expect(failure).toMatchObject({ kind: "bad-answer" });
    expect(failure.message).not.toContain("private");
  });

  test.each([false, true])("an answer without text that hit the token limit is truncated (streamed: %s)", async (stream) => {
    expect(await failureOf({ api, stream, reply: { finishReason: "length" } })).toMatchObject({
      kind: "final",
      code: "MODEL_OUTPUT_TRUNCATED",
    });
  });
});

test("an error message of the provider never reaches the failure's message", async () => {
  const reply = {
    status: 401,
    errorCode: "invalid_api_key",
    errorMessage: "Incorrect API key provided: sk-secret-of-acme. Prompt was: hi",
  };
  const { message } = await failureOf({ reply });
  expect(message).not.toMatch(/secret|Prompt/);
  expect(message).toMatch(/status 401, code invalid_api_key, request req_/);
});

test("a model that does not exist is named", async () => {
  const reply = { status: 404, errorCode: "model_not_found", errorMessage: "The model `m` does not exist" };
  expect((await failureOf({ reply })).message).toContain("The model `m` does not exist");
});

test.each([
  [400, "prompt is too long: 210000 tokens > 200000 maximum"],
  [429, "Request too large for gpt-x: Limit 30000, Requested 41000"],
])("a %i without a code that says it is too long is final", async (status, errorMessage) => {
  expect(await failureOf({ reply: { status, errorMessage } })).toMatchObject({ kind: "final", code: "MODEL_CONTEXT_TOO_LONG" });
});

test("an answer that the Responses API calls failed is transient", async () => {
  expect(await failureOf({ reply: { text: "x", finishReason: "failed" } })).toMatchObject({ kind: "transient", code: "MODEL_UNAVAILABLE" });
});

test("an empty Chat answer of the content filter is refused", async () => {
  expect(await failureOf({ api: "chat", reply: { finishReason: "content_filter" } })).toMatchObject({ kind: "refused" });
});

test("the model timeout of the agent's settings is transient", async () => {
  expect(await failureOf({ agent: { modelSettings: { timeoutMs: 30 } }, reply: { hang: true } })).toMatchObject({
    kind: "transient",
    code: "MODEL_UNAVAILABLE",
  });
});

test("a tool that the agent does not have is a bad answer", async () => {
  expect(await failureOf({ reply: { toolCalls: [{ name: "nowhere", arguments: {} }] } })).toMatchObject({ kind: "bad-answer" });
});

test("too many turns are the turn limit", async () => {
  expect(await failureOf({ reply: callsLookup, agent: { tools: [lookup(() => "x")] }, maxTurns: 2 })).toMatchObject({ kind: "turn-limit" });
});

test("a tool that throws is transient, with the tool's own words and without its keys", async () => {
  const failure = await failureOf({
    reply: callsLookup,
    agent: { tools: [lookup(() => Promise.reject(new Error("db down at redis://u:pw@h, sk-abcdef123")))] },
  });
  expect(failure).toMatchObject({ kind: "transient", code: "TOOL_FAILED" });
  expect(failure.message).toBe("A tool failed: Error: db down at redis://u:[redacted]@h, [redacted]");
});

test("a status that a tool's own error carries is not taken for the provider's", async () => {
  const error = Object.assign(new Error("no order 17"), { status: 404 });
  expect(await failureOf({ reply: callsLookup, agent: { tools: [lookup(() => Promise.reject(error))] } })).toMatchObject({
    kind: "transient",
    code: "TOOL_FAILED",
  });
});

test("a model call that fails inside a tool keeps its meaning", async () => {
  await using limited = await startFakeProvider({ faults: () => ({ status: 429, headers: { "retry-after": "4" } }) });
  const inner = new OpenAI({ apiKey: "k", baseURL: limited.url, maxRetries: 0 });
  const tools = [lookup(() => inner.responses.create({ model: "m", input: "x" }))];
  expect(await failureOf({ reply: callsLookup, agent: { tools } })).toMatchObject({ kind: "rate-limited", retryAfterMs: 4_000 });
});

test("a tool that takes too long is transient", async () => {
  const tools = [lookup(never, { timeoutMs: 20, timeoutBehavior: "raise_exception" })];
  expect(await failureOf({ reply: callsLookup, agent: { tools } })).toMatchObject({
    kind: "transient",
    code: "TOOL_FAILED",
    message: expect.stringContaining("lookup"),
  });
});

test("guardrails block, with their name and what they found", async () => {
  const inputGuardrails = [{ name: "no-pii", execute: async () => trip }];
  expect(await failureOf({ reply: { text: "x" }, agent: { inputGuardrails } })).toMatchObject({
    kind: "blocked",
    guardrail: "no-pii",
    info: { why: "pii" },
  });
  const outputGuardrails = [{ name: "polite", execute: async () => trip }];
  expect(await failureOf({ reply: { text: "x" }, agent: { outputGuardrails } })).toMatchObject({ kind: "blocked", guardrail: "polite" });
  const tools = [
    lookup(() => "x", {
      inputGuardrails: [{ name: "tool-guard", run: async () => ({ behavior: { type: "throwException" }, outputInfo: 1 }) }],
    }),
  ];
  expect(await failureOf({ reply: callsLookup, agent: { tools } })).toMatchObject({ kind: "blocked", guardrail: "tool-guard", info: 1 });
});

test("a guardrail that crashes is transient", async () => {
  const inputGuardrails = [{ name: "g", execute: () => Promise.reject(new Error("guard service down")) }];
  expect(await failureOf({ reply: { text: "x" }, agent: { inputGuardrails } })).toMatchObject({
    kind: "transient",
    code: "GUARDRAIL_FAILED",
    message: "The guardrail failed: Error: guard service down",
  });
});

test.each(["cancelled", "expired", "superseded", "shutdown"])("the bare reason %s is an abort", (reason) => {
  expect(classifyFailure(reason)).toMatchObject({ kind: "aborted", reason });
});

test("an abort that the client wrapped gives the fleet's reason", async () => {
  const controller = new AbortController();
  const reply: FakeRule = () => {
    controller.abort("shutdown");
    return { hang: true };
  };
  expect(await failureOf({ reply, signal: controller.signal })).toMatchObject({ kind: "aborted", reason: "shutdown" });
});

test("an error of the fleet keeps its code", () => {
  expect(classifyFailure(new FleetError("MODEL_KEY_MISSING", "No key."))).toEqual({
    kind: "final",
    code: "MODEL_KEY_MISSING",
    message: "No key.",
  });
  expect(classifyFailure(new FleetError("BACKEND_UNREACHABLE", "Gone."))).toMatchObject({ kind: "transient", code: "BACKEND_UNREACHABLE" });
});

test.each([400, 422, 429])("a budget that a LiteLLM key has spent is a spent quota, though its code is the status %i", (status) => {
  const body = { error: { message: "Budget has been exceeded!", type: "budget_exceeded", param: null, code: String(status) } };
  const error = APIError.generate(status, body, undefined, new Headers());
  expect(classifyFailure(error)).toMatchObject({ kind: "final", code: "MODEL_QUOTA_SPENT" });
});

test("a retry-after date needs the time", () => {
  const error = Object.assign(new Error("slow down"), { status: 429, headers: { "Retry-After": "Sun, 22 Nov 2026 12:00:10 GMT" } });
  expect(classifyFailure(error, Date.UTC(2026, 10, 22, 12))).toMatchObject({ kind: "rate-limited", retryAfterMs: 10_000 });
  expect(classifyFailure(error)).toMatchObject({ kind: "rate-limited", retryAfterMs: DEFAULT_RATE_LIMIT_MS });
});

test("an error of the AI SDK is read by its own field names", () => {
  const error = Object.assign(new Error("x"), { name: "AI_APICallError", statusCode: 429, responseHeaders: { "retry-after": "2" } });
  expect(classifyFailure(error)).toMatchObject({ kind: "rate-limited", retryAfterMs: 2_000 });
});

test("anything else is transient: a lost network, a bug, a cycle of causes, a string", () => {
  expect(classifyFailure(Object.assign(new Error("x"), { code: "ECONNRESET" }))).toMatchObject({
    kind: "transient",
    code: "MODEL_UNAVAILABLE",
  });
  expect(classifyFailure(new TypeError("undefined is not a function"))).toMatchObject({ kind: "transient", code: "AGENT_FAILED" });
  const cycle: Error & { cause?: unknown } = new Error("round");
  cycle.cause = cycle;
  expect(classifyFailure(cycle).kind).toBe("transient");
  expect(classifyFailure("boom").kind).toBe("transient");
  expect(classifyFailure(undefined).kind).toBe("transient");
});

test("no message is longer than its limit", () => {
  expect(classifyFailure(new Error("x".repeat(9_000))).message.length).toBeLessThan(2_100);
});
