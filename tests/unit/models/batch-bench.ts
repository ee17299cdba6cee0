/** Message batches in front of a provider on loopback, with a clock whose pauses are over at once. */
import { createMessageBatches, type MessageBatchesOptions, type MessageBatchRequest, type MessageBatchResult } from "../../../src/index.ts";
import { type FakeProviderOptions, startFakeProvider } from "../../../src/testing/fake-provider.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";

export const KEY = "sk-ant-of-the-fleet";

export const ask = (customId: string, text = "hi", more: Record<string, unknown> = {}): MessageBatchRequest => ({
  customId,
  params: { model: "anthropic/claude-x", max_tokens: 100, messages: [{ role: "user", content: text }], ...more },
});

/** A clock whose pauses are over at once, and kept; a sleep of more than an hour is a deadline, and stands until it is moved to. */
export function pausingClock() {
  const virtual = createVirtualClock();
  const pauses: number[] = [];
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    if (ms > 3_600_000) return virtual.sleep(ms, signal);
    pauses.push(ms);
  };
  return { clock: { nowMs: () => virtual.nowMs(), sleep }, virtual, pauses };
}

export async function setup(options: Partial<MessageBatchesOptions> = {}, fakeOptions: FakeProviderOptions = {}) {
  const { clock, virtual, pauses } = pausingClock();
  const fake = await startFakeProvider({ batchPolls: 0, clock, ...fakeOptions });
  const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: fake.origin };
  const batches = createMessageBatches({ env, clock, ...options });
  /** Made, and ended. */
  const ended = async (...requests: MessageBatchRequest[]): Promise<string> => {
    const { id } = await batches.create(requests);
    await batches.get(id);
    return id;
  };
  return { env, clock, virtual, pauses, fake, batches, ended, [Symbol.asyncDispose]: () => fake.close() };
}

export type Bench = Awaited<ReturnType<typeof setup>>;

export async function all(results: AsyncIterable<MessageBatchResult>): Promise<MessageBatchResult[]> {
  const found: MessageBatchResult[] = [];
  for await (const result of results) found.push(result);
  return found;
}

/** A fetch that changes the answers to GETs of some paths. */
export function changing(part: RegExp, change: (response: Response, nth: number) => Response | Promise<Response>): typeof fetch {
  let asked = 0;
  return async (input, init) => {
    const response = await fetch(input, init);
    if (init?.method !== "GET" || !part.test(response.url)) return response;
    asked += 1;
    return change(response, asked);
  };
}

/** A client of the bench's provider whose results are changed on their way. */
export function withResults(bench: Bench, change: (text: string, nth: number) => string) {
  const asked: number[] = [];
  const fetch = changing(/results$/, async (response, nth) => {
    asked.push(nth);
    return new Response(change(await response.text(), nth));
  });
  return { asked, batches: createMessageBatches({ env: bench.env, clock: bench.clock, fetch }) };
}
