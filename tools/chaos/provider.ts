/**
 * The fake provider with a book of its own: which job's which turn was asked by which worker process, and when. A worker is known by the
 * key that it was started with, so nothing in the book comes from the fleet.
 */
import type { Clock } from "../../src/clock.ts";
import { type FakeCall, type FakeCallRecord, type FakeProvider, startFakeProvider } from "../../src/testing/fake-provider.ts";
import type { CallEntry } from "./evidence.ts";
import { askedIn, replyAt, turnOf } from "./jobs.ts";
import { linesOf } from "./transcript.ts";

export interface ChaosProvider extends AsyncDisposable {
  readonly url: string;
  /** Every call that arrived, in order. */
  book(): CallEntry[];
  /** Calls that arrived and were not answered to their end. */
  inFlight(worker: string): number;
  /** Told of each call when it arrives, before it is answered. */
  onCall(listener: (call: Omit<CallEntry, "served">) => void): void;
}

export interface ChaosProviderOptions {
  readonly clock: Clock;
  readonly latencyMs: (job: number, turn: number) => number;
}

type Line = Omit<CallEntry, "served"> & { readonly record: FakeCallRecord };

export async function startChaosProvider({ clock, latencyMs }: ChaosProviderOptions): Promise<ChaosProvider> {
  const lines: Line[] = [];
  let listener: ((call: Omit<CallEntry, "served">) => void) | undefined;
  const provider: FakeProvider = await startFakeProvider({
    keepsBodies: false,
    clock,
    reply: (call) => {
      const job = askedIn(call.lastUserText);
      const turn = turnOf(call);
      // The rule is asked in the same step in which the call was recorded.
      const record = provider.calls.at(-1);
      if (job === undefined || turn === undefined || record === undefined)
        return { status: 400, errorMessage: "Not a call of a chaos run." };
      const worker = (call.headers.authorization ?? "").replace(/^Bearer /, "");
      const line = { job: job.number, turn, worker, atMs: clock.nowMs(), shown: shownIn(call), record };
      lines.push(line);
      listener?.(line);
      return { ...replyAt(job, turn, call), delayMs: latencyMs(job.number, turn) };
    },
  });
  return {
    url: provider.url,
    book: () => lines.map(({ record, ...line }) => ({ ...line, served: record.isServed })),
    inFlight: (worker) => lines.filter((line) => line.worker === worker && !line.record.isServed).length,
    onCall: (next) => {
      listener = next;
    },
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  };
}

/** Everything in front of the run's own input, which is the last that a user said. */
function shownIn({ body }: FakeCall): string[] {
  const lines = linesOf(body["input"]);
  return lines.slice(
    0,
    lines.findLastIndex((line) => line.startsWith("user ")),
  );
}
