/** Deletes what a customer's runs left behind. Quoted by docs/how-to/encryption-and-deletion.md. */
import { createProducer } from "../../src/producer.ts";

/** @returns how many runs were deleted */
export async function forgetCustomer(redis: string, tenant: string): Promise<number> {
  // #region forget
  await using producer = createProducer({ redis });
  const { removed, live } = await producer.removeTenant(tenant);
  if (live > 0) throw new Error(`${live} runs of ${tenant} are not over: cancel them first.`);
  // #endregion
  return removed;
}
