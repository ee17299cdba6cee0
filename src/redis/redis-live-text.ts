/** Live text on Redis: an expiring stream for each attempt of a turn. Losing it loses nothing but liveness. */
import type { Redis } from "ioredis";
import { z } from "zod";
import type { LiveChunk, LiveText } from "../protocol/run-store.ts";
import { keysFor } from "./keys.ts";

const LIVE_TTL_MS = 15 * 60 * 1_000;

export interface RedisLiveTextOptions {
  readonly redis: Redis;
  /** Default `flotilla`. */
  readonly prefix?: string;
}

/** A chunk's stream id is its offset plus one, so that a reader starts in the middle and a chunk sent twice is refused. */
export function createRedisLiveText({ redis, prefix }: RedisLiveTextOptions): LiveText {
  const keys = keysFor(prefix);
  return {
    async append(runId, turn, attempt, { offset, text }) {
      const key = keys.live(runId, turn, attempt);
      const pipeline = redis
        .pipeline()
        .xadd(key, idOf(offset), "t", text)
        .pexpire(key, LIVE_TTL_MS)
        .publish(keys.notifyChannel(runId), "live");
      for (const [error] of (await pipeline.exec()) ?? []) {
        if (error !== null && !error.message.includes("equal or smaller")) throw error;
      }
    },
    async read(runId, turn, attempt, fromOffset) {
      const key = keys.live(runId, turn, attempt);
      const pipeline = redis
        .pipeline()
        .xrevrange(key, idOf(fromOffset), "-", "COUNT", 1)
        .xrange(key, `(${idOf(fromOffset)}`, "+");
      const chunks = ((await pipeline.exec()) ?? []).flatMap(([error, reply]) => {
        if (error !== null) throw error;
        return parseChunks(reply);
      });
      return chunks.flatMap((chunk) => chunkFrom(chunk, fromOffset));
    },
    async remove(runId, turns, attempts) {
      const counted = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
      const all = counted(turns).flatMap((turn) => counted(attempts).map((attempt) => keys.live(runId, turn, attempt)));
      for (let from = 0; from < all.length; from += REMOVE_CHUNK) await redis.unlink(...all.slice(from, from + REMOVE_CHUNK));
    },
  };
}

const REMOVE_CHUNK = 500;

const idOf = (offset: number): string => `${offset + 1}-0`;

const entriesSchema = z.array(z.tuple([z.string(), z.array(z.string())]));

const parseChunks = (reply: unknown): LiveChunk[] =>
  entriesSchema.parse(reply).map(([id, fields]) => ({ offset: Number.parseInt(id, 10) - 1, text: fields[1] ?? "" }));

/** The part of a chunk that lies at or behind `fromOffset`, if any. */
function chunkFrom({ offset, text }: LiveChunk, fromOffset: number): LiveChunk[] {
  const skipped = Math.max(fromOffset - offset, 0);
  return skipped >= text.length ? [] : [{ offset: offset + skipped, text: text.slice(skipped) }];
}
