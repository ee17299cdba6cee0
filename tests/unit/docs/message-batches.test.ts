/** The example of docs/how-to/message-batches.md does what the page says. */
import { expect, test } from "vitest";
import { begin, finish } from "../../../examples/message-batches/sort-mail.ts";
import { createMessageBatches } from "../../../src/index.ts";
import { startFakeProvider } from "../../../src/testing/fake-provider.ts";

test("docs/how-to/message-batches.md: each mail has a topic, is refused, or is to be sent again", async () => {
  const usage = { inputTokens: 1_000, outputTokens: 10 };
  await using fake = await startFakeProvider({
    batchPolls: 0,
    reply: ({ lastUserText }) =>
      lastUserText === "too long" ? { status: 400 } : lastUserText === "unlucky" ? { status: 529 } : { text: "refund", usage },
  });
  const client = createMessageBatches({
    env: { ANTHROPIC_API_KEY: "sk-test", ANTHROPIC_BASE_URL: fake.origin },
    prices: { "anthropic/claude-haiku-4-5": { input: 1, output: 5 } },
  });
  const id = await begin(client, { "mail-1": "I was charged twice", "mail-2": "too long", "mail-3": "unlucky" });
  const { topics, again, costMicroUsd } = await finish(client, id, new AbortController().signal);
  expect(Object.fromEntries(topics)).toEqual({ "mail-1": "refund", "mail-2": "refused: invalid_request_error" });
  expect(again).toEqual(["mail-3"]);
  expect(costMicroUsd).toBe(525);
});
