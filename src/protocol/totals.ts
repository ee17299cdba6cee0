/**
 * What a fleet's model calls add up to, by day. One row of numbers per tenant, agent, its version, model and tags; a store adds to it in the same
 * step that writes the call down, so that a call counts once, however often it is sent or replayed. Names and numbers only, nothing of a run.
 */
import { z } from "zod";
import type { CallReceipt } from "./receipt.ts";
import type { Usage } from "./run.ts";

export const TOTALS = {
  /** How long a day's totals are kept. */
  keepDays: 400,
  /** Rows of one day; what comes after them is added to one row of everything else. */
  rowsPerDay: 1_000,
  /** Rows of one day above which calls with tags that have no row yet are added to a row without theirs: many tags must not hide tenants and agents. */
  taggedRowsPerDay: 500,
  /** Names that code makes up, such as models; the rest is cut. */
  nameChars: 128,
} as const;

export const DAY_MS = 24 * 60 * 60 * 1_000;

/** `2026-11-22`, in UTC. */
export const daySchema = z.iso.date();
export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/** Whose call it was, and of what. */
export interface TotalsName {
  readonly tenant: string;
  readonly agent: string;
  readonly version: string;
  readonly model: string;
  /** The run's. */
  readonly tags: readonly string[];
}

/** What one call adds to the row of its name. */
export interface Tally extends TotalsName {
  readonly numbers: readonly number[];
}

export interface TotalsRow extends Tally {
  readonly day: string;
}

export interface TotalsQuery {
  /** Days, both included. */
  readonly from: string;
  readonly to: string;
}

/** The order of the numbers in a row; behind them stand the counts of the latency buckets. Only ever appended to the stored form by a new row kind. */
const NUMBERS = [
  "calls",
  "unknownCostCalls",
  "inputTokens",
  "cachedInputTokens",
  "cacheWriteInputTokens",
  "outputTokens",
  "reasoningTokens",
  "proxyMicroUsd",
  "pricesMicroUsd",
] as const;
export type CallNumbers = Readonly<Record<(typeof NUMBERS)[number], number>> & {
  /** How many calls took how long; see `LATENCY`. */
  readonly latencies: readonly number[];
};

/** Buckets of latency: the first ends at `firstMs`, each later one at √2 times the one before; the last has no end. */
export const LATENCY = { firstMs: 50, perDoubling: 2, buckets: 32 } as const;

export const latencyBucket = (durationMs: number): number =>
  durationMs <= LATENCY.firstMs
    ? 0
    : Math.min(LATENCY.buckets - 1, Math.ceil(LATENCY.perDoubling * Math.log2(durationMs / LATENCY.firstMs)));

/** The middle of the bucket in which the call of that rank is; where a bucket has no other end, the one that it has. */
export function latencyAt(counts: readonly number[], share: number): number | undefined {
  const rank = Math.max(1, Math.ceil(share * counts.reduce((sum, count) => sum + count, 0)));
  let passed = 0;
  const bucket = counts.findIndex((count) => (passed += count) >= rank);
  if (bucket < 0) return undefined;
  if (bucket === 0) return LATENCY.firstMs;
  const isOpen = bucket === LATENCY.buckets - 1;
  return Math.round(LATENCY.firstMs * 2 ** ((isOpen ? bucket - 1 : bucket - 0.5) / LATENCY.perDoubling));
}

export function tallyOfCall(usage: Usage, receipt: CallReceipt | undefined, durationMs: number): number[] {
  const { costSource = "unknown", costMicroUsd } = receipt ?? {};
  const cost = (source: CallReceipt["costSource"]): number => (source === costSource ? (costMicroUsd ?? 0) : 0);
  const numbers: Readonly<Record<(typeof NUMBERS)[number], number>> = {
    calls: 1,
    unknownCostCalls: costMicroUsd === undefined ? 1 : 0,
    inputTokens: usage.inputTokens,
    cachedInputTokens: usage.cachedInputTokens,
    cacheWriteInputTokens: usage.cacheWriteInputTokens ?? 0,
    outputTokens: usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
    proxyMicroUsd: cost("proxy"),
    pricesMicroUsd: cost("prices") + cost("list"),
  };
  const bucket = latencyBucket(durationMs);
  return [...NUMBERS.map((name) => numbers[name]), ...Array.from({ length: bucket + 1 }, (_, at) => (at === bucket ? 1 : 0))];
}

export function numbersOf(numbers: readonly number[]): CallNumbers {
  const named = Object.fromEntries(NUMBERS.map((name, at) => [name, numbers[at] ?? 0]));
  // Every name of NUMBERS is there, by the line above.
  return { ...(named as Record<(typeof NUMBERS)[number], number>), latencies: numbers.slice(NUMBERS.length) };
}

export const addNumbers = (a: readonly number[], b: readonly number[]): number[] =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, at) => (a[at] ?? 0) + (b[at] ?? 0));

/** Stands in place of every name in the row of everything else, and of tags that have no row. No tenant and no tag is called that. */
export const OTHER = "*";
const otherName: TotalsName = { tenant: OTHER, agent: OTHER, version: OTHER, model: OTHER, tags: [] };

const rowSchema = z.tuple([z.string(), z.string(), z.string(), z.string(), z.array(z.string()).optional()]);

/** A row's name as it is stored. */
export const encodeName = ({ tenant, agent, version, model, tags }: TotalsName): string =>
  JSON.stringify([tenant, agent, version, model.slice(0, TOTALS.nameChars), ...(tags.length === 0 ? [] : [tags])]);
/** The row for a call whose tags get none of their own; undefined for one without tags. */
export const encodeUntagged = (name: TotalsName): string | undefined =>
  name.tags.length === 0 ? undefined : encodeName({ ...name, tags: [OTHER] });
export const OTHER_NAME = encodeName(otherName);
export function decodeName(text: string): TotalsName {
  const [tenant, agent, version, model, tags = tenant === OTHER ? [OTHER] : []] = rowSchema.parse(JSON.parse(text));
  return { tenant, agent, version, model, tags };
}
