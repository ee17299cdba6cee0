/** What a service does with conversations beside speaking in them. Quoted by docs/how-to/conversations.md. */
import { type Agent, run } from "@openai/agents";
import { createSession } from "../../src/index.ts";
import type { Producer } from "../../src/producer.ts";

/** Leaves `ticket-7-b` with the conversation's first question and answer, and `ticket-7` with its last. */
export async function lookAfter(producer: Pick<Producer, "conversations">): Promise<void> {
  // #region manage
  const { conversations } = producer;
  for (const { id, turns, runs } of await conversations.list({ tenant: "acme", limit: 50 })) console.error(id, turns, runs.length);
  await conversations.fork("ticket-7", "ticket-7-b", { tenant: "acme", atTurn: 1 });
  await conversations.trim("ticket-7", { tenant: "acme", keepTurns: 1 });
  // #endregion
}

export async function askHere(producer: Pick<Producer, "store" | "conversations">, agent: Agent): Promise<string | undefined> {
  // #region session
  const session = createSession({ producer, tenant: "acme", conversation: "ticket-7" });
  const { finalOutput } = await run(agent, "Sum up this ticket.", { session });
  // #endregion
  return finalOutput;
}
