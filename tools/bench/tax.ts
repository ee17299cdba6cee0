/** What the engine costs: CPU of a run through the fleet beside a plain BullMQ job and the SDK alone, interleaved, each in a fresh process. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import type { CpuResult, Variant } from "./cpu-child.ts";
import { SHAPES, type Shape } from "./shapes.ts";
import { median, round } from "./statistics.ts";

const run = promisify(execFile);
const CHILD = fileURLToPath(new URL("./cpu-child.ts", import.meta.url));
const REPEATS = 3;
const COUNT = 2_000;
const resultSchema = z.object({ cpuUs: z.number(), redisUs: z.number() });

async function child(variant: Variant, shape: Shape, redisUrl: string): Promise<CpuResult> {
  const { stdout } = await run(process.execPath, [CHILD, variant, shape, String(COUNT), redisUrl]);
  return resultSchema.parse(JSON.parse(stdout));
}

export interface TaxReport {
  readonly engineTax: Record<Shape, number>;
  readonly redisCpuRatio: number;
  /** Microseconds per piece of work, for people. */
  readonly cpuUs: Record<string, number>;
}

export async function measureTax(redisUrl: string, say: (line: string) => void): Promise<TaxReport> {
  const samples = new Map<string, CpuResult[]>();
  const keep = async (variant: Variant, shape: Shape): Promise<void> => {
    const key = `${variant} ${shape}`;
    samples.set(key, [...(samples.get(key) ?? []), await child(variant, shape, redisUrl)]);
  };
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    say(`engine tax, round ${repeat + 1} of ${REPEATS}`);
    await keep("bullmq", "oneTurn");
    for (const shape of SHAPES) {
      await keep("runner", shape);
      await keep("fleet", shape);
    }
  }
  const of = (variant: Variant, shape: Shape, field: keyof CpuResult): number =>
    median((samples.get(`${variant} ${shape}`) ?? []).map((sample) => sample[field]));
  const tax = (shape: Shape): number => {
    const jobs = shape === "threeHops" ? 3 : 1;
    return round(of("fleet", shape, "cpuUs") / (jobs * of("bullmq", "oneTurn", "cpuUs") + of("runner", shape, "cpuUs")));
  };
  return {
    engineTax: { oneTurn: tax("oneTurn"), fiveTurns: tax("fiveTurns"), threeHops: tax("threeHops") },
    redisCpuRatio: round(of("fleet", "oneTurn", "redisUs") / of("bullmq", "oneTurn", "redisUs")),
    cpuUs: Object.fromEntries(
      [...samples.keys()].map((key) => [key, Math.round(median((samples.get(key) ?? []).map(({ cpuUs }) => cpuUs)))]),
    ),
  };
}
