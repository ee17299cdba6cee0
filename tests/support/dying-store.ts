/** Stores that lose an attempt at a chosen step, as a killed process would, and tools that are counted. */
import { tool } from "@openai/agents";
import { z } from "zod";
import type { RunStore } from "../../src/protocol/run-store.ts";

/** A store whose process "dies" (every later write of the attempt is lost) when `when` says so. */
export function dyingStore(when: (operation: string, key: string) => boolean): (store: RunStore) => RunStore {
  const dead = new Set<string>();
  return (store) => ({
    ...store,
    async record(fact) {
      if (dead.has(fact.token)) throw new Error("dead");
      if (when("before record", fact.key)) {
        dead.add(fact.token);
        throw new Error("dead");
      }
      const reply = await store.record(fact);
      if (when("after record", fact.key)) {
        dead.add(fact.token);
        throw new Error("dead");
      }
      return reply;
    },
    async openIntent(runId, token, intent) {
      if (dead.has(token)) throw new Error("dead");
      const reply = await store.openIntent(runId, token, intent);
      if (when("after intent", intent.callId)) {
        dead.add(token);
        throw new Error("dead");
      }
      return reply;
    },
    async end(command) {
      if (dead.has(command.token)) throw new Error("dead");
      return store.end(command);
    },
  });
}

/** True for the first time only. */
export const once = (predicate: (operation: string, key: string) => boolean): ((operation: string, key: string) => boolean) => {
  let fired = false;
  return (operation, key) => {
    if (fired || !predicate(operation, key)) return false;
    fired = true;
    return true;
  };
};

/** A tool that notes each time it runs. */
export const counted = (name: string, ran: string[], extra: Partial<Parameters<typeof tool>[0]> = {}) =>
  tool({
    name,
    description: name,
    parameters: z.object({}),
    execute: async () => {
      ran.push(name);
      return `${name} done`;
    },
    ...(extra as object),
  });
