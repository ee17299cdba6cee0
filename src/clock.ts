/** The only place that reads the machine's time. Everything else is handed a clock, so that tests can hold it still. */

export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener("abort", finish, { once: true });
    }),
};

/** Waits for `work`, whatever becomes of it, but at most `limitMs`. For clients whose own calls may hang while a server is away. */
export async function inTime(clock: Clock, work: Promise<unknown>, limitMs: number): Promise<void> {
  const ended = new AbortController();
  const settled = work.catch(() => undefined).finally(() => ended.abort("ended"));
  await Promise.race([settled, clock.sleep(limitMs, ended.signal)]);
}
