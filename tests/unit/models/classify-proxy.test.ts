/** What proxies and accounts say of keys and budgets, in the failure table. By a real proxy: tests/integration/litellm-faults.test.ts. */
import { expect, test } from "vitest";
import { classifyFailure } from "../../../src/models/classify.ts";

test.each([
  ["a team's budget without its type", 400, "auth_error", "ExceededBudget: User=u over budget", "MODEL_QUOTA_SPENT"],
  ["Anthropic's account", 400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "MODEL_QUOTA_SPENT"],
  ["a key, where the proxy has no database", 400, "no_db_connection", "No connected db.", "MODEL_KEY_REJECTED"],
  ["a call that talks of budgets", 400, "invalid_request_error", "messages.1: 'the budget has been exceeded'", "MODEL_CALL_FAILED"],
])("the status in the place of a code hides nothing: %s", (_what, status, type, message, code) => {
  const error = Object.assign(new Error(message), { status, type, code: String(status), error: { type, code: String(status), message } });
  expect(classifyFailure(error)).toMatchObject({ kind: "final", code });
});
