/** What one tenant's runs cost. Quoted by docs/how-to/costs.md. */
import type { Producer } from "../../src/producer.ts";

// #region bill
/** One line per agent and model, and one that says what is missing. */
export async function bill(producer: Pick<Producer, "costs">, tenant: string, from: string, to: string): Promise<string[]> {
  const { rows, total } = await producer.costs({ tenant, from, to, by: ["agent", "model"] });
  const lines = rows.map(({ agent, model, calls, costMicroUsd }) => {
    const cost = costMicroUsd === undefined ? "unknown" : `$${(costMicroUsd / 1_000_000).toFixed(2)}`;
    return `${agent} with ${model}: ${calls} calls, ${cost}`;
  });
  return [...lines, `calls of unknown cost: ${total.unknownCostCalls}`];
}
// #endregion
