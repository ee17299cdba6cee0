import { expect, test } from "vitest";
import { claudeCodeLines } from "../../../src/cli/commands/env.ts";

const env = { LITELLM_BASE_URL: "http://proxy:4000/v1/", LITELLM_API_KEY: "sk-secret" };

test("the settings for Claude Code lead to the proxy, and do not hold the key", () => {
  const lines = claudeCodeLines(env, "claude's", ["team:web", "job:1"]);
  expect(lines).toEqual([
    "export ANTHROPIC_BASE_URL='http://proxy:4000'",
    'export ANTHROPIC_AUTH_TOKEN="$LITELLM_API_KEY"',
    "unset ANTHROPIC_API_KEY",
    "export ANTHROPIC_MODEL='claude'\\''s'",
    "export ANTHROPIC_CUSTOM_HEADERS='x-litellm-tags: team:web,job:1'",
  ]);
  expect(lines.join()).not.toContain("sk-secret");
});

test("without a proxy, or with a tag that would become two, there are none", () => {
  expect(() => claudeCodeLines({}, undefined, [])).toThrow(expect.objectContaining({ code: "MODEL_KEY_MISSING", at: "LITELLM_BASE_URL" }));
  expect(() => claudeCodeLines(env, undefined, ["a,b"])).toThrow(expect.objectContaining({ code: "USAGE", at: "--tag" }));
});
