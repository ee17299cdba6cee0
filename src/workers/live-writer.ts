/**
 * Sends live text on: the first piece at once, what follows in pieces of 100 ms. Streaming every token would be nine tenths of a fleet's
 * whole Redis load; in such pieces it is a twentieth of that. Text that cannot be sent is dropped: the finished turn holds it.
 */
import type { HopLiveText } from "../agents/ports.ts";
import type { Clock } from "../clock.ts";
import type { LiveText } from "../protocol/run-store.ts";

export const LIVE_PIECE_MS = 100;

export function createLiveWriter(live: LiveText, clock: Clock, runId: string, attempt: number): HopLiveText & { close(): Promise<void> } {
  let done: AbortController | undefined;
  let pending: { turn: number; offset: number; text: string } | undefined;
  let sending: Promise<void> | undefined;

  const send = async (): Promise<void> => {
    while (pending !== undefined) {
      const { turn, offset, text } = pending;
      pending = undefined;
      await live.append(runId, turn, attempt, { offset, text }).catch(() => undefined);
      await clock.sleep(LIVE_PIECE_MS, done?.signal);
    }
    sending = undefined;
  };
  return {
    append(turn, { offset, text }) {
      pending = pending?.turn === turn ? { ...pending, text: pending.text + text } : { turn, offset, text };
      done ??= new AbortController();
      sending ??= send();
    },
    async close() {
      done?.abort("closed");
      await sending;
    },
  };
}
