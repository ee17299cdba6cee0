/** Live text that is sealed chunk by chunk. */
import type { LiveChunk, LiveText } from "../protocol/run-store.ts";
import { isSealed, type PayloadCodec } from "./payload-codec.ts";

/**
 * Offsets count characters of the plain text, but the store below would cut sealed text at them. So chunks are taken whole: a reader that
 * stands where a chunk begins, as a follower does, reads from there; any other reads the turn from its start and cuts here.
 */
export function createSealedLiveText(live: LiveText, codec: PayloadCodec): LiveText {
  const fieldOf = (turn: number, attempt: number, offset: number): string => `live:${turn}:${attempt}:${offset}`;
  return {
    ...live,
    append: (runId, turn, attempt, { offset, text }) =>
      live.append(runId, turn, attempt, { offset, text: codec.seal(text, { runId, field: fieldOf(turn, attempt, offset) }) }),
    async read(runId, turn, attempt, fromOffset) {
      const openAll = (chunks: readonly LiveChunk[]): LiveChunk[] =>
        chunks.map(({ offset, text }) => ({ offset, text: codec.open(text, { runId, field: fieldOf(turn, attempt, offset) }) }));
      const found = await live.read(runId, turn, attempt, fromOffset);
      const whole = found.filter(({ text }) => isSealed(text));
      if (found.length === 0 || whole[0]?.offset === fromOffset) return openAll(whole);
      const all = fromOffset === 0 ? found : await live.read(runId, turn, attempt, 0);
      return openAll(all).flatMap((chunk) => chunkFrom(chunk, fromOffset));
    },
  };
}

/** The part of a chunk that lies at or behind `fromOffset`, if any. */
function chunkFrom({ offset, text }: LiveChunk, fromOffset: number): LiveChunk[] {
  const skipped = Math.max(fromOffset - offset, 0);
  return skipped >= text.length ? [] : [{ offset: offset + skipped, text: text.slice(skipped) }];
}
