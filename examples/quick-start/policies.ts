/** The three policies of a tool that acts, on a payment provider that remembers the keys it has seen. */
import { tool } from "@openai/agents";
import { z } from "zod";
import { currentCall, toolPolicy } from "../../src/index.ts";

/** Stands for the client of a payment provider. */
export interface Payments {
  /** Drops a repeat of the same key. */
  pay(request: { readonly amountCents: number; readonly idempotencyKey: string }): Promise<{ readonly paymentId: string }>;
  find(idempotencyKey: string): Promise<{ readonly paymentId: string } | undefined>;
}

export function payTools(payments: Payments) {
  // #region tool
  const pay = tool({
    name: "pay",
    description: "Pays money back to the customer.",
    parameters: z.object({ amountCents: z.int().positive() }),
    // The key is the same in every attempt. Outside a fleet there is no call, and no repetition.
    execute: async ({ amountCents }) => payments.pay({ amountCents, idempotencyKey: currentCall()?.idempotencyKey ?? crypto.randomUUID() }),
  });
  // #endregion
  // #region policies
  const repeats = toolPolicy(pay, { onCrash: "idempotent" });
  const asks = toolPolicy(pay, { onCrash: "ask" });
  const looksUp = toolPolicy(pay, {
    onCrash: {
      reconcile: async ({ idempotencyKey }) => {
        const payment = await payments.find(idempotencyKey);
        return payment === undefined ? { notRun: true } : { ran: { paymentId: payment.paymentId } };
      },
    },
  });
  // #endregion
  return { repeats, asks, looksUp };
}
