/** What a deploy made worse, for whoever decides whether to take it back. Quoted by docs/how-to/stats.md. */
import type { Producer } from "../../src/producer.ts";

// #region worse
/** What the new version of an agent does worse than the old one, by the runs since a time. */
export async function worse(producer: Pick<Producer, "stats">, agent: string, [before, now]: [string, string], sinceAtMs: number) {
  const { rows } = await producer.stats({ sinceAtMs, by: ["agent", "version"] });
  const [old, fresh] = [before, now].map((version) => rows.find((row) => row.agent === agent && row.version === version));
  if (old === undefined || fresh === undefined) return ["one of the two had no run"];
  const failed = ({ hops, ended }: typeof old): number => ended.failed / hops;
  return [
    ...(failed(fresh) > failed(old) ? ["more of its hops fail"] : []),
    ...((fresh.modelLatency?.p95Ms ?? 0) > (old.modelLatency?.p95Ms ?? 0) ? ["its model calls take longer"] : []),
    ...(fresh.retries / fresh.hops > old.retries / old.hops ? ["it is tried again more often"] : []),
  ];
}
// #endregion
