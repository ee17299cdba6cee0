/** The doctor's look at a route: what it asks, and what it makes of the answers. Nothing here may cost. */
import { expect, test } from "vitest";
import { parseModelEnv } from "../../../src/models/env.ts";
import { checkRoute } from "../../../src/models/route-check.ts";
import { resolveRoute } from "../../../src/models/routes.ts";

interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

async function check(env: Record<string, string>, name: string, answers: Readonly<Record<string, Answer>>, wanted: readonly string[] = []) {
  const route = resolveRoute({ env: parseModelEnv(env), servers: {}, variables: {} }, name);
  const asked: string[] = [];
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const { method, url, headers } = new Request(input, init);
    asked.push(`${method} ${url} ${headers.get("authorization") ?? headers.get("x-api-key")}`);
    const answer = answers[new URL(url).pathname];
    if (answer === undefined) throw new TypeError("fetch failed");
    return Response.json(answer.body, { status: answer.status ?? 200 });
  };
  return { asked, found: await checkRoute(route, { wanted, fetch, signal: new AbortController().signal }) };
}

const PROXY = { LITELLM_BASE_URL: "http://proxy:4000/v1", LITELLM_API_KEY: "sk-1" };
const listing = (...ids: string[]): Answer => ({ body: { data: ids.map((id) => ({ id })) } });
const version = (text: string): Answer => ({ body: { litellm_version: text } });

test("only lists are asked for, with the key in the provider's own header", async () => {
  const openai = await check({ OPENAI_API_KEY: "sk-o" }, "gpt-x", { "/v1/models": listing("gpt-x") });
  expect(openai).toEqual({
    asked: ["GET https://api.openai.com/v1/models Bearer sk-o"],
    found: [{ state: "ok", text: "api.openai.com takes the key; models listed: 1." }],
  });
  const anthropic = await check({ ANTHROPIC_API_KEY: "sk-a" }, "anthropic/claude-x", { "/v1/models": listing("claude-x") });
  expect(anthropic.asked).toEqual(["GET https://api.anthropic.com/v1/models sk-a"]);
});

test("a name that a proxy does not list is told, and a wildcard lists all behind it", async () => {
  const answers = { "/v1/models": listing("anthropic/*", "gpt-x"), "/health/readiness/details": version("1.108.11") };
  const { found } = await check(PROXY, "anthropic/claude-x", answers, ["anthropic/claude-x", "gpt-x", "mistral/large"]);
  expect(found).toEqual([
    { state: "ok", text: "proxy:4000 takes the key; models listed: 2." },
    expect.objectContaining({ state: "warn", text: "proxy:4000 does not list mistral/large." }),
    { state: "ok", text: "LiteLLM 1.108.11." },
  ]);
});

test.each([
  ["1.82.7", "bad"],
  ["1.82.8", "bad"],
  ["1.82.9", "warn"],
  ["1.83.14", "warn"],
  ["1.84.2", "warn"],
  ["1.84.3", "ok"],
  ["1.108.11", "ok"],
  ["2.0.0-rc.1", "ok"],
])("a proxy of release %s is %s", async (release, state) => {
  const { found } = await check(PROXY, "anthropic/claude-x", { "/v1/models": listing(), "/health/readiness/details": version(release) });
  expect(found.at(-1)).toMatchObject({ state });
});

test.each<[string, Record<string, Answer>, string]>([
  ["nobody answers", {}, "does not answer"],
  ["the key is wrong", { "/v1/models": { status: 401, body: { error: { type: "auth" } } } }, "rejects the key"],
  [
    "the key is wrong and there is no database",
    { "/v1/models": { status: 400, body: { error: { type: "no_db_connection" } } } },
    "rejects the key",
  ],
])("it is bad that %s", async (_what, answers, text) => {
  const { found } = await check(PROXY, "anthropic/claude-x", answers);
  expect(found).toMatchObject([{ state: "bad", text: expect.stringContaining(text), remedy: expect.any(String) }]);
});

test("a server that lists nothing may still work", async () => {
  const { found } = await check({ OPENAI_API_KEY: "k" }, "gpt-x", { "/v1/models": { status: 404, body: "no" } });
  expect(found).toMatchObject([{ state: "warn" }]);
});
