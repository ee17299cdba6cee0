/**
 * The results of a batch that has ended, line by line. They come in any order and may break off: then the whole file is asked for again, and what was
 * told before is left out. Complete means that each request has its line, not that a connection ended in peace.
 */
import type { Clock } from "../../clock.ts";
import { type ErrorCode, FleetError } from "../../protocol/errors.ts";
import { errorOfType } from "../anthropic/errors.ts";
import { readLines } from "../anthropic/lines.ts";
import type { TokenCounts } from "../prices.ts";
import { safeText } from "../safe-text.ts";
import type { BatchCharge } from "./cost.ts";
import { callFailureOf, pauseAfterFailure, toFleetError } from "./failures.ts";
import { asConnection } from "./http.ts";
import { type BatchMessage, type ResultLine, resultLineSchema } from "./wire.ts";

export type MessageBatchResult = { readonly customId: string } & (
  | {
      readonly type: "succeeded";
      readonly message: BatchMessage;
      readonly usage: TokenCounts;
      /** At the price of a batch, by the table of prices; undefined where that does not tell. */
      readonly costMicroUsd: number | undefined;
    }
  | {
      readonly type: "errored";
      /** The provider's word for it, such as `invalid_request_error`. */
      readonly errorType: string;
      /** The provider's text. */
      readonly message: string;
      readonly code: ErrorCode;
      /** Whether the same request may well succeed in another batch. */
      readonly isTransient: boolean;
    }
  | { readonly type: "canceled" }
  | { readonly type: "expired" }
);

export interface ResultSource {
  readonly batchId: string;
  /** Asks how many requests the batch has, which is how many results there must be. */
  readonly countAll: () => Promise<number>;
  /** Asks for the file from its beginning. */
  readonly open: () => Promise<Response>;
  readonly chargeOf: (message: BatchMessage) => BatchCharge;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** How often in a row the file is read without a result that was not there before. */
const MAX_VAIN_READS = 5;
const FIRST_PAUSE_MS = 1_000;

export async function* readResults(source: ResultSource): AsyncGenerator<MessageBatchResult> {
  const { clock, signal } = source;
  const told = new Set<string>();
  let total: number | undefined;
  for (let vainReads = 0; ; ) {
    const toldBefore = told.size;
    const read: OneRead = { total, unreadable: [], failure: undefined };
    for await (const result of readOnce(source, read)) {
      if (told.has(result.customId)) continue;
      told.add(result.customId);
      yield result;
    }
    signal?.throwIfAborted();
    total = read.total;
    if (total !== undefined && told.size >= total) return;
    vainReads = told.size === toldBefore ? vainReads + 1 : 0;
    await clock.sleep(pauseAfter(source, read, { count: told.size, vainReads }), signal);
  }
}

/** How long to wait before the file is read again. @throws what ends the reading, where that would not help */
function pauseAfter(source: ResultSource, read: OneRead, { count, vainReads }: { count: number; vainReads: number }): number {
  const { batchId, clock } = source;
  const pauseMs = FIRST_PAUSE_MS * 2 ** vainReads;
  if (read.failure === undefined) {
    // Another reading mends a cut, and not lines that are whole and wrong.
    const isAllThere = vainReads > 0 && count + read.unreadable.length >= (read.total ?? 0);
    if (isAllThere || vainReads >= MAX_VAIN_READS) throw incomplete(source, count, read);
    return pauseMs;
  }
  const failure = callFailureOf(read.failure, clock.nowMs());
  const isPassing = failure !== undefined && failure.kind !== "final";
  if (!isPassing || vainReads >= MAX_VAIN_READS) throw toFleetError(read.failure, clock.nowMs(), batchId);
  return pauseAfterFailure(failure, pauseMs);
}

interface OneRead {
  /** Undefined until it is known. */
  total: number | undefined;
  /** Numbers of lines, from 1. */
  readonly unreadable: number[];
  failure: unknown;
}

/** Ends quietly: what went wrong is left in `read`. */
async function* readOnce({ countAll, open, signal, chargeOf }: ResultSource, read: OneRead): AsyncGenerator<MessageBatchResult> {
  let lines: AsyncGenerator<string> | undefined;
  try {
    read.total ??= await countAll();
    const { body } = await open();
    if (body === null) return;
    const opened = readLines(body);
    lines = opened;
    for (let number = 1; ; number += 1) {
      const { done, value } = await asConnection(signal, () => opened.next());
      if (done === true) return;
      if (value.trim() === "") continue;
      const line = parseLine(value);
      if (line === undefined) read.unreadable.push(number);
      else yield toResult(line, chargeOf);
    }
  } catch (error) {
    read.failure = error;
  } finally {
    // Whoever stops reading closes the connection.
    await lines?.return(undefined);
  }
}

function parseLine(text: string): ResultLine | undefined {
  try {
    return resultLineSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function toResult({ custom_id: customId, result }: ResultLine, chargeOf: ResultSource["chargeOf"]): MessageBatchResult {
  if (result.type === "succeeded") return { customId, type: "succeeded", message: result.message, ...chargeOf(result.message) };
  if (result.type !== "errored") return { customId, type: result.type };
  const { type: errorType, message } = result.error.error;
  const failure = callFailureOf(errorOfType(errorType, message), 0);
  const code = failure === undefined ? "MODEL_UNAVAILABLE" : failure.kind === "rate-limited" ? "MODEL_RATE_LIMITED" : failure.code;
  return { customId, type: "errored", errorType, message: safeText(message), code, isTransient: failure?.kind !== "final" };
}

function unreadable({ batchId }: ResultSource, numbers: readonly number[]): FleetError {
  const some = numbers.slice(0, 5).join(", ");
  return new FleetError(
    "MESSAGE_BATCH_UNREADABLE",
    `Expected a result in each line of message batch ${batchId}; got ${numbers.length} that cannot be read, such as line ${some}.`,
    { at: batchId, remedy: "all others were told: look at the file itself, or send the requests that are missing again" },
  );
}

function incomplete(source: ResultSource, count: number, { unreadable: lines, total = 0 }: OneRead): FleetError {
  if (lines.length > 0) return unreadable(source, lines);
  const { batchId } = source;
  return new FleetError("MODEL_UNAVAILABLE", `The results of message batch ${batchId} keep ending after ${count} of ${total}.`, {
    at: batchId,
  });
}
