/** Live text in memory, for tests. */
import type { LiveChunk, LiveText } from "../protocol/run-store.ts";

export interface MemoryLiveTextOptions {
  /** Called after each append, so that a store beside it can wake the run's followers. */
  readonly notify?: (runId: string) => void;
}

export function createMemoryLiveText({ notify }: MemoryLiveTextOptions = {}): LiveText {
  const texts = new Map<string, LiveChunk[]>();
  const nameOf = (runId: string, turn: number, attempt: number): string => `${runId} ${turn} ${attempt}`;
  return {
    async append(runId, turn, attempt, chunk) {
      const chunks = texts.get(nameOf(runId, turn, attempt)) ?? [];
      texts.set(nameOf(runId, turn, attempt), chunks);
      // A chunk sent twice is there already.
      if (chunk.offset > (chunks.at(-1)?.offset ?? -1)) chunks.push({ ...chunk });
      notify?.(runId);
    },
    async remove(runId) {
      for (const name of texts.keys()) if (name.startsWith(`${runId} `)) texts.delete(name);
    },
    async read(runId, turn, attempt, fromOffset) {
      return (texts.get(nameOf(runId, turn, attempt)) ?? []).flatMap(({ offset, text }) => {
        const skipped = Math.max(fromOffset - offset, 0);
        return skipped >= text.length ? [] : [{ offset: offset + skipped, text: text.slice(skipped) }];
      });
    },
  };
}
