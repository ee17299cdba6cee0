/** Sorts a night's mail at half the price. Quoted by docs/how-to/message-batches.md. */
import { createMessageBatches, type MessageBatches } from "../../src/index.ts";

// #region client
export const batches = createMessageBatches({
  env: process.env,
  tenant: "acme",
  prices: { "anthropic/claude-haiku-4-5": { input: 1, cachedInput: 0.1, cacheWriteInput: 1.25, output: 5 } },
});
// #endregion

// #region begin
/** Keep the id that it returns before anything else: nothing but it leads back to the batch. */
export async function begin(client: MessageBatches, mails: Readonly<Record<string, string>>): Promise<string> {
  const batch = await client.create(
    Object.entries(mails).map(([customId, content]) => ({
      customId,
      params: {
        model: "anthropic/claude-haiku-4-5",
        max_tokens: 200,
        system: "Answer with one word: billing, refund or other.",
        messages: [{ role: "user", content }],
      },
    })),
  );
  return batch.id;
}
// #endregion

// #region finish
/** What became of each mail, which of them to send again, and what the known costs add up to. */
export async function finish(client: MessageBatches, id: string, signal: AbortSignal) {
  await client.wait(id, { signal });
  const topics = new Map<string, string>();
  const again: string[] = [];
  let costMicroUsd = 0;
  for await (const result of client.results(id, { signal })) {
    if (result.type === "succeeded") {
      topics.set(result.customId, result.message.content.map(({ text = "" }) => text).join(""));
      costMicroUsd += result.costMicroUsd ?? 0;
    } else if (result.type === "errored" && !result.isTransient) {
      topics.set(result.customId, `refused: ${result.errorType}`);
    } else {
      again.push(result.customId);
    }
  }
  return { topics, again, costMicroUsd };
}
// #endregion
