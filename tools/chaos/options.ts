/** What `npm run chaos` may be asked for. */
import { parseArgs } from "node:util";
import { FleetError } from "../../src/protocol/errors.ts";

export const MODES = ["kill", "block", "full", "redis", "net", "term"] as const;
export type Mode = (typeof MODES)[number];

export interface ChaosOptions {
  readonly mode: Mode;
  readonly runs: number;
  readonly seed: number;
  readonly workers: number;
  /** Faults to make. Undefined: the mode's own number for so many runs. */
  readonly faults: number | undefined;
  /** The workers' lease. */
  readonly leaseMs: number;
  /** Kill at each protocol point instead; `runs` is then the number of seeds for each point. */
  readonly points: boolean;
  /** Only points whose name holds one of these texts, with commas between. */
  readonly only: string | undefined;
  /** Nothing but the last line. */
  readonly json: boolean;
}

export const CHAOS_DEFAULTS = { mode: "kill", runs: 200, seed: 1, workers: 3, leaseMs: 5_000 } as const;
/** Seeds for each point when `--points` comes without `--runs`. */
const POINT_SEEDS = 1;

export const USAGE = `npm run chaos -- [--mode ${MODES.join("|")}] [--runs N] [--seed S] [--workers N] [--faults N] [--lease-ms N] [--points [--only TEXT]] [--json]`;

const FLAGS = {
  mode: { type: "string" },
  runs: { type: "string" },
  seed: { type: "string" },
  workers: { type: "string" },
  faults: { type: "string" },
  "lease-ms": { type: "string" },
  only: { type: "string" },
  points: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** @throws FleetError USAGE */
export function readOptions(args: readonly string[]): ChaosOptions {
  const values = parse(args);
  const mode = MODES.find((known) => known === (values.mode ?? CHAOS_DEFAULTS.mode));
  if (mode === undefined) throw usage(`Expected --mode to be one of ${MODES.join(", ")}; got ${JSON.stringify(values.mode)}.`);
  const points = values.points === true;
  return {
    mode,
    points,
    only: values.only,
    json: values.json === true,
    runs: count("--runs", values.runs, points ? POINT_SEEDS : CHAOS_DEFAULTS.runs),
    seed: count("--seed", values.seed, CHAOS_DEFAULTS.seed),
    workers: count("--workers", values.workers, CHAOS_DEFAULTS.workers),
    leaseMs: count("--lease-ms", values["lease-ms"], CHAOS_DEFAULTS.leaseMs),
    faults: values.faults === undefined ? undefined : count("--faults", values.faults, 1),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function count(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw usage(`Expected ${flag} to be a whole number of at least 1; got ${JSON.stringify(text)}.`);
}

const usage = (message: string, cause?: unknown): FleetError =>
  new FleetError("USAGE", message, { at: "npm run chaos", remedy: USAGE, ...(cause === undefined ? {} : { cause }) });
