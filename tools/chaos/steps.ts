/** A run's events, as far as the count needs them. */
import type { Producer } from "../../src/producer.ts";
import type { RunStep } from "./evidence.ts";

const EVENTS_LIMIT = 2_000;

export async function stepsOf({ store }: Producer, runId: string): Promise<RunStep[]> {
  const stored = await store.events(runId, "0-0", EVENTS_LIMIT);
  return stored.map(({ id, event }) => ({
    atMs: Number(id.split("-")[0]),
    type: event.type,
    hop: event.hop,
    ...(event.type === "attempt.started" ? { pid: pidOf(event.worker) } : {}),
    ...(event.type === "turn.completed" ? { turn: event.turn - 1 } : {}),
  }));
}

/** A worker announces itself as `<host>-<pid>-<start>`. */
const pidOf = (worker: string): number => Number(worker.split("-").at(-2));
