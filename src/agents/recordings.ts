/** The calls of a run's source, from which its tools are answered. Read when the first tool is called, and not before. */
import type { Recording } from "../protocol/seed.ts";
import { canonicalJson } from "./journal-entry.ts";

export interface Recordings {
  /**
   * The source's journal entry of the same call; undefined where it made none. The same call several times gets the source's answers in
   * their order, and the last one again and again.
   */
  next(tool: string, args: string): Promise<string | undefined>;
  /** Counts a call that this hop's own journal answers. */
  pass(tool: string, args: string): void;
}

export function createRecordings(load: () => Promise<readonly Recording[]>): Recordings {
  let loaded: Promise<Map<string, string[]>> | undefined;
  const taken = new Map<string, number>();
  const take = (key: string): number => {
    const index = taken.get(key) ?? 0;
    taken.set(key, index + 1);
    return index;
  };
  return {
    async next(tool, args) {
      const key = callKey(tool, args);
      const index = take(key);
      loaded ??= load().then(byCall);
      const values = (await loaded).get(key);
      return values?.[Math.min(index, values.length - 1)];
    },
    pass: (tool, args) => void take(callKey(tool, args)),
  };
}

function byCall(recordings: readonly Recording[]): Map<string, string[]> {
  const groups = Map.groupBy(recordings, ({ tool, arguments: args }) => callKey(tool, args));
  return new Map([...groups].map(([key, group]) => [key, group.map(({ valueJson }) => valueJson)]));
}

function callKey(tool: string, args: string): string {
  try {
    return `${tool} ${canonicalJson(JSON.parse(args))}`;
  } catch {
    return `${tool} ${args}`;
  }
}
