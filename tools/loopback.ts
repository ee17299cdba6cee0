/** What starting a server on loopback takes: a port that nobody has, and patience. */
import { once } from "node:events";
import { createServer } from "node:net";
import { systemClock } from "../src/clock.ts";

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return address.port;
}

const LOOK_EVERY_MS = 50;

/** Looks until `condition` holds, for what no server announces. */
export async function until(what: string, withinMs: number, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endAtMs = systemClock.nowMs() + withinMs;
  while (!(await condition())) {
    if (systemClock.nowMs() > endAtMs) throw new Error(`Not within ${withinMs} ms: ${what}.`);
    await systemClock.sleep(LOOK_EVERY_MS);
  }
}
