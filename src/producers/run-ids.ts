/** Ids of runs: their shard, and a ULID that grows within a process. */
import { monotonicFactory } from "ulid";
import type { Clock } from "../clock.ts";

export function runIds(clock: Clock): () => string {
  const nextUlid = monotonicFactory(randomFraction());
  return () => `r0-${nextUlid(clock.nowMs()).toLowerCase()}`;
}

/** Cryptographic randomness from a pool: the library's own source asks the kernel for every character. */
function randomFraction(): () => number {
  const pool = new Uint32Array(1_024);
  let next = pool.length;
  return () => {
    if (next === pool.length) {
      crypto.getRandomValues(pool);
      next = 0;
    }
    return (pool[next++] ?? 0) / 2 ** 32;
  };
}
