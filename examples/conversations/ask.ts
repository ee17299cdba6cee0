/** Two questions, the second of which needs the first. Quoted by docs/how-to/conversations.md. */
import type { Producer } from "../../src/producer.ts";
import type { fleet } from "./fleet.ts";

/** @returns the answer to the second */
export async function askTwice(producer: Pick<Producer<typeof fleet>, "submit">): Promise<string> {
  // #region submit
  const talk = { tenant: "acme", conversation: "ticket-7" };
  await producer.submit("support", "I was charged twice for order 1842.", talk);
  const followUp = await producer.submit("support", "And when is the money back?", talk);
  // #endregion
  return followUp.output();
}
