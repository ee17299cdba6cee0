/** What the results of an evaluation add up to. Keeps numbers only, so that a large dataset fits. */
import { percentilesOf } from "../percentiles.ts";
import type { EvalResult, Side } from "./evaluate.ts";

export interface SideSummary extends Side {
  /** Of the agents that answered, in the order in which they were met. */
  readonly versions: readonly string[];
  /** Lines that ran. */
  readonly runs: number;
  readonly completed: number;
  /** Lines with a score. */
  readonly graded: number;
  /** The mean of their scores; absent where there is none. */
  readonly score?: number;
  readonly knownMicroUsd: number;
  readonly unknownCostCalls: number;
  readonly latencyP50Ms?: number;
  readonly latencyP95Ms?: number;
}

export interface Comparison {
  /** Lines that both sides have a score for, by whose is higher. */
  readonly aBetter: number;
  readonly bBetter: number;
  readonly equal: number;
}

export interface Summary {
  readonly sides: readonly SideSummary[];
  readonly comparison?: Comparison;
}

export interface Tally {
  add(result: EvalResult): void;
  summary(): Summary;
}

export function createTally(sides: readonly Side[]): Tally {
  const books = sides.map((side) => ({
    side,
    runs: 0,
    completed: 0,
    knownMicroUsd: 0,
    unknownCostCalls: 0,
    scores: new Map<number, number>(),
    versions: new Set<string>(),
    latenciesMs: [] as number[],
  }));
  return {
    add({ side, line, version, status, score, knownMicroUsd, unknownCostCalls, latencyMs }) {
      const book = books.find((candidate) => candidate.side.side === side);
      if (book === undefined) return;
      if (status !== "not-run") book.runs += 1;
      if (status === "completed") book.completed += 1;
      if (version !== undefined) book.versions.add(version);
      if (score !== undefined) book.scores.set(line, score);
      if (latencyMs !== undefined) book.latenciesMs.push(latencyMs);
      book.knownMicroUsd += knownMicroUsd;
      book.unknownCostCalls += unknownCostCalls;
    },
    summary() {
      const summaries = books.map(({ side, scores, versions, latenciesMs, ...counts }) => {
        const latency = percentilesOf(latenciesMs);
        return {
          ...side,
          ...counts,
          versions: [...versions],
          graded: scores.size,
          ...(scores.size === 0 ? {} : { score: [...scores.values()].reduce((sum, score) => sum + score, 0) / scores.size }),
          ...(latency === undefined ? {} : { latencyP50Ms: latency.p50Ms, latencyP95Ms: latency.p95Ms }),
        };
      });
      const [a, b] = books;
      return { sides: summaries, ...(a === undefined || b === undefined ? {} : { comparison: compare(a.scores, b.scores) }) };
    },
  };
}

function compare(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): Comparison {
  const sum = { aBetter: 0, bBetter: 0, equal: 0 };
  for (const [line, score] of a) {
    const other = b.get(line);
    if (other === undefined) continue;
    if (score === other) sum.equal += 1;
    else sum[score > other ? "aBetter" : "bBetter"] += 1;
  }
  return sum;
}
