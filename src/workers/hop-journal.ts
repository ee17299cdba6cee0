/** Plugs the run store into the journal port of a hop. The store's answers stop the attempt where it should stop. */
import type { HopJournal } from "../agents/ports.ts";
import type { Attempt } from "../protocol/attempt.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { HeldRun } from "./held-runs.ts";

/** The attempt may go no further: another has the run, or it was told to stop. The held run knows why. */
export class AttemptStoppedError extends Error {
  override readonly name = "AttemptStoppedError";
}

export function createHopJournal(
  store: RunStore,
  { runId, token, hop, tenant, agent, tags }: Attempt,
  { held, version, entries }: { readonly held: HeldRun; readonly version: string; readonly entries: ReadonlyMap<string, string> },
): HopJournal {
  return {
    entries,
    open: held.open,
    async write({ call, ...written }) {
      const { closesIntent, key } = written;
      const tally = call === undefined ? {} : { tally: { tenant, agent, version, tags, ...call } };
      const reply = await store.record({ runId, token, hop, ...written, ...tally });
      held.open.delete(closesIntent ?? key);
      if (reply.status === "gone" || !reply.current) held.abort("superseded");
      else if (reply.stop !== undefined) held.abort(reply.stop);
      else held.stepped(reply.paused);
      if (reply.status === "gone") throw new AttemptStoppedError(`Run ${runId} is gone.`);
      return reply.valueJson;
    },
    async openIntent(intent) {
      const reply = await store.openIntent(runId, token, intent);
      if (reply.status === "opened") {
        held.open.add(intent.callId);
        return;
      }
      held.abort(reply.status === "stop" ? reply.stop : "superseded");
      throw new AttemptStoppedError(`Run ${runId} may not start another effect.`);
    },
  };
}
