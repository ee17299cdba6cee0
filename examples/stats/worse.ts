/** What a deploy made worse, for whoever decides whether to take it back. Quoted by docs/how-to/stats.md. */
import type { Producer } from "../../src/producer.ts";

// #region worse
/** What the new version of an agent does worse than the old one, by the runs since a time. */
export async function worse(producer: Pick<Producer, "stats">, agent: string, [before, now]: [string, string], sinceAtMs: number) {
  const { rows } = await producer.stats({ sinceAtMs, by: ["agent", "version"] });
  const [old, fresh] = [before, now].map((version) => rows.find((row) => row.agent === agent && row.version === version));
  if (old === undefined || fresh === undefined) return ["one of the two had no run"];
  // A hop counts for the version that began it, its end for the one that ended it: just after a deploy a version may have ended more than it began.
  const failed = ({ ended }: typeof old): number =>
    ended.failed /
    Math.max(
      1,
      Object.values(ended).reduce((sum, count) => sum + count, 0),
    );
  const again = ({ retries, turns }: typeof old): number => retries / Math.max(1, turns);
  return [
    ...(failed(fresh) > failed(old) ? ["more of its hops fail"] : []),
    ...((fresh.modelLatency?.p95Ms ?? 0) > (old.modelLatency?.p95Ms ?? 0) ? ["its model calls take longer"] : []),
    ...(again(fresh) > again(old) ? ["it is tried again more often"] : []),
  ];
}
// #endregion
