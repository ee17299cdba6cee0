/**
 * Stands for a payment provider: it pays back once for each idempotency key, however often it is asked.
 * A file is its ledger here, so that everybody can count the lines; a real one has a unique index.
 */
import { appendFile, readFile } from "node:fs/promises";
import { z } from "zod";

export const refundSchema = z.strictObject({ key: z.string(), ticket: z.string(), amountCents: z.int().positive() });
export type Refund = z.infer<typeof refundSchema>;

/** True when this call paid; false when the key had been paid before. */
export async function payBack(file: string, refund: Refund): Promise<boolean> {
  if ((await readRefunds(file)).some(({ key }) => key === refund.key)) return false;
  await appendFile(file, `${JSON.stringify(refund)}\n`);
  return true;
}

export async function readRefunds(file: string): Promise<readonly Refund[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  });
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => refundSchema.parse(JSON.parse(line)));
}
