/** Asks what another model would have answered. Quoted by docs/how-to/second-chances.md. */
import type { ForkOptions, Producer } from "../../src/producer.ts";

interface Runs extends Pick<Producer, "retryMany"> {
  run(id: string): { fork(options: ForkOptions): Promise<{ output(): Promise<unknown> }> };
}

// #region fork
/** The answer of another model from a turn on. No tool runs: each call is answered as it was then. */
export async function wouldHaveSaid(producer: Runs, runId: string, turn: number, model: string): Promise<unknown> {
  const copy = await producer.run(runId).fork({ turn, model });
  return copy.output();
}
// #endregion

// #region retry
/** Carries on what failed for one reason, when that reason is gone. */
export async function carryOn(producer: Runs, code: string): Promise<number> {
  let retried = 0;
  for await (const answer of producer.retryMany({ code })) {
    if ("error" in answer) console.error(answer.runId, answer.error.code);
    else retried += 1;
  }
  return retried;
}
// #endregion
