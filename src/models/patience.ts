/**
 * A short rate limit is waited out in the slot: giving the run back and taking it again costs more than the wait. A long one is thrown,
 * and the run is suspended without a slot.
 */
import type { Model, ModelProvider, ModelRequest, StreamEvent } from "@openai/agents";
import type { Clock } from "../clock.ts";
import { classifyFailure } from "./classify.ts";

export interface PatienceOptions {
  /** The longest wait, all waits of one call together. Milliseconds. */
  readonly maxWaitMs: number;
  readonly clock: Clock;
}

export const patientProvider = (inner: ModelProvider, options: PatienceOptions): ModelProvider => ({
  getModel: async (name) => patientModel(await inner.getModel(name), options),
});

export function patientModel(inner: Model, options: PatienceOptions): Model {
  return {
    get supportsPromptModelSelection() {
      return inner.supportsPromptModelSelection ?? false;
    },
    async getResponse(request) {
      const wait = createWait(options, request);
      for (;;) {
        try {
          return await inner.getResponse(request);
        } catch (error) {
          await wait(error);
        }
      }
    },
    async *getStreamedResponse(request): AsyncIterable<StreamEvent> {
      const wait = createWait(options, request);
      for (;;) {
        let begun = false;
        try {
          for await (const event of inner.getStreamedResponse(request)) {
            begun = true;
            yield event;
          }
          return;
        } catch (error) {
          // What was begun cannot be begun again: the reader has seen part of it.
          if (begun) throw error;
          await wait(error);
        }
      }
    },
    getRetryAdvice: (args) => inner.getRetryAdvice?.(args),
  };
}

/** Waits where the error says how long and it is short enough; else throws the error. */
function createWait({ clock, maxWaitMs }: PatienceOptions, { signal }: ModelRequest): (error: unknown) => Promise<void> {
  let leftMs = maxWaitMs;
  return async (error) => {
    const failure = classifyFailure(error, clock.nowMs());
    if (failure.kind !== "rate-limited" || failure.retryAfterMs > leftMs) throw error;
    leftMs -= Math.max(failure.retryAfterMs, 1);
    await clock.sleep(failure.retryAfterMs, signal);
    signal?.throwIfAborted();
  };
}
