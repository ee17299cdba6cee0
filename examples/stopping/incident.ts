/** What a team does when an agent goes wrong at night. Quoted by docs/how-to/stopping.md. */
import type { Producer } from "../../src/producer.ts";

type Incident = Pick<Producer, "pause" | "cancelMany" | "resume">;

// #region incident
/** Holds the agent back, calls off what one tenant no longer wants, and lets the rest go on. Returns how many went on. */
export async function handleIncident(producer: Incident, agent: string, tenant: string, mend: () => Promise<void>): Promise<number> {
  await producer.pause({ agent }, { by: "on call", reason: "wrong amounts since noon" });
  await producer.cancelMany({ agent, tenant });
  await mend();
  const { runs } = await producer.resume({ agent });
  return runs;
}
// #endregion
