import type { createProducer } from "../../src/producer.ts";
import type { fleet } from "./fleet.ts";

type Desk = Pick<ReturnType<typeof createProducer<typeof fleet>>, "submit">;

// #region blocked
export async function ask(desk: Desk, question: string): Promise<string> {
  const result = await (await desk.submit("support", question)).result();
  if (result.status === "blocked") {
    const { name, kind, info } = result.guardrail;
    return `Stopped by ${name} (${kind}): ${JSON.stringify(info)}`;
  }
  return result.status === "completed" ? JSON.stringify(result.output) : result.status;
}
// #endregion

// #region structured
export async function refund(desk: Desk, order: number): Promise<number> {
  const run = await desk.submit("refunds", { order });
  const result = await run.result();
  if (result.status === "completed" && result.agent === "refunds") return result.output.refundCents;
  throw new Error("error" in result ? `${result.error.message} The last answer was: ${result.error.answer ?? "none"}` : result.status);
}
// #endregion
