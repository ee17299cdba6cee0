/** The benchmark's figures as a table, each beside its target. */

interface Target {
  readonly name: string;
  readonly path: readonly string[];
  readonly target: string;
  readonly holds: (value: number) => boolean;
}

const atMost = (limit: number): Pick<Target, "target" | "holds"> => ({ target: `≤ ${limit}`, holds: (value) => value <= limit });

const TARGETS: readonly Target[] = [
  { name: "engine tax, 1 turn", path: ["engineTax", "oneTurn"], ...atMost(1.5) },
  { name: "engine tax, 5 turns with tools", path: ["engineTax", "fiveTurns"], ...atMost(1.5) },
  { name: "engine tax, 3 hops", path: ["engineTax", "threeHops"], ...atMost(1.5) },
  { name: "Redis CPU per one-hop run / plain job", path: ["redisCpuRatio"], ...atMost(3) },
  { name: "durable step p50, ms", path: ["stepMs", "p50"], ...atMost(1) },
  { name: "handoff p50 idle, ms", path: ["handoffMs", "p50"], ...atMost(5) },
  { name: "handoff p99 idle, ms", path: ["handoffMs", "p99"], ...atMost(25) },
  { name: "handoff p99 with 10,000 waiting, ms", path: ["handoffLoadedMs", "p99"], ...atMost(100) },
  { name: "recovery of a lost host p95, ms", path: ["recoveryMs", "p95"], ...atMost(8_000) },
  { name: "recovery of a dead process p95, ms", path: ["recoveryProcessMs", "p95"], ...atMost(1_000) },
  { name: "cancel in another process p95, ms", path: ["cancelMs", "p95"], ...atMost(500) },
  { name: "first live text p50, ms", path: ["firstDeltaMs", "p50"], ...atMost(5) },
  { name: "routing and metering of a call, Chat Completions, CPU µs", path: ["routing", "addedUs", "chat", "cpu"], ...atMost(100) },
  { name: "routing and metering of a call, Messages, CPU µs", path: ["routing", "addedUs", "messages", "cpu"], ...atMost(100) },
];

export function tableOf(report: Readonly<Record<string, unknown>>): string {
  const rows = TARGETS.flatMap(({ name, path, target, holds }) => {
    const value = path.reduce<unknown>(
      (inner, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined),
      report,
    );
    return typeof value === "number" ? [`| ${name} | ${value} | ${target} | ${holds(value) ? "met" : "missed"} |`] : [];
  });
  return ["| figure | measured | target | |", "| --- | --- | --- | --- |", ...rows].join("\n");
}
