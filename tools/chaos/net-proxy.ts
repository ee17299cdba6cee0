/**
 * A TCP proxy between one worker and Redis that misbehaves when it is told: late, cut off, silent, or deaf on one side.
 * A silent side is not read: what is under way waits in the kernel, as on a network that drops packets until they are sent again.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Clock } from "../../src/clock.ts";

export interface NetProxy extends AsyncDisposable {
  readonly url: string;
  /** Added to every piece, in both directions. */
  setLatencyMs(ms: number): void;
  /** Destroys every connection that is open now. */
  reset(): void;
  /** Nothing passes in these directions until `heal`. New connections are taken and hear nothing. */
  silence(directions: readonly Direction[]): void;
  heal(): void;
}

export const DIRECTIONS = ["to-redis", "to-worker"] as const;
export type Direction = (typeof DIRECTIONS)[number];

interface Weather {
  latencyMs: number;
  readonly silent: Set<Direction>;
  readonly pairs: Set<readonly [Socket, Socket]>;
  /** Told when a silence ends. */
  readonly waiting: Set<() => void>;
}

export async function startNetProxy(upstreamPath: string, clock: Clock): Promise<NetProxy> {
  const weather: Weather = { latencyMs: 0, silent: new Set(), pairs: new Set(), waiting: new Set() };
  const server = createServer((worker) => join(weather, clock, worker, connect({ path: upstreamPath })));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const reset = (): void => {
    for (const [worker, redis] of weather.pairs) {
      worker.destroy();
      redis.destroy();
    }
  };
  const heal = (): void => {
    weather.silent.clear();
    for (const go of weather.waiting) go();
    weather.waiting.clear();
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    setLatencyMs: (ms) => {
      weather.latencyMs = ms;
    },
    reset,
    silence: (directions) => {
      for (const direction of directions) weather.silent.add(direction);
    },
    heal,
    async [Symbol.asyncDispose]() {
      heal();
      server.close();
      reset();
    },
  };
}

function join(weather: Weather, clock: Clock, worker: Socket, redis: Socket): void {
  const pair = [worker, redis] as const;
  weather.pairs.add(pair);
  const part = (): void => {
    weather.pairs.delete(pair);
    worker.destroy();
    redis.destroy();
  };
  for (const socket of pair) {
    socket.setNoDelay?.(true);
    socket.on("error", part).on("close", part);
  }
  void carry(weather, clock, "to-redis", worker, redis).catch(part);
  void carry(weather, clock, "to-worker", redis, worker).catch(part);
}

async function carry(weather: Weather, clock: Clock, direction: Direction, from: Socket, to: Socket): Promise<void> {
  for await (const piece of from) {
    if (weather.latencyMs > 0) await clock.sleep(weather.latencyMs);
    while (weather.silent.has(direction)) await new Promise<void>((resolve) => weather.waiting.add(resolve));
    if (to.destroyed) return;
    to.write(piece);
  }
  to.end();
}
