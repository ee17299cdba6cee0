/** The one table of exit codes; `flotilla --help` and the docs quote it. */
import type { ErrorCode, FleetError } from "../protocol/errors.ts";

export const EXIT = {
  ok: { code: 0, means: "done; the run completed" },
  failed: { code: 1, means: "a run ended otherwise than completed, a check failed, or an unexpected error" },
  usage: { code: 2, means: "the command line, a file or an input is not valid; nothing was started" },
  partial: { code: 3, means: "some runs of many completed, others did not" },
  unreachable: { code: 4, means: "Redis is missing, unreachable or unfit" },
  detached: { code: 130, means: "Ctrl-C: detached, or stopped" },
} as const;

const UNREACHABLE: ReadonlySet<ErrorCode> = new Set([
  "BACKEND_UNREACHABLE",
  "REDIS_EVICTS",
  "REDIS_MEMORY_FULL",
  "REDIS_MISSING",
  "REDIS_REPLY_MAPPING",
  "REDIS_TOO_OLD",
]);
const FAILED: ReadonlySet<ErrorCode> = new Set([
  "RUN_NOT_COMPLETED",
  "RUN_CRASHED",
  "RUN_EXPIRED",
  "PEER_MISMATCH",
  "WORKERS_GONE",
  "WORKER_CRASHED",
]);

/** What a command that was refused with this error exits with. */
export function exitCodeOf(error: FleetError): number {
  if (error.code === "WAIT_ABORTED") return EXIT.detached.code;
  if (UNREACHABLE.has(error.code)) return EXIT.unreachable.code;
  return FAILED.has(error.code) ? EXIT.failed.code : EXIT.usage.code;
}

export const exitCodeHelp = (): string =>
  ["Exit codes:", ...Object.values(EXIT).map(({ code, means }) => `  ${String(code).padEnd(4)} ${means}`)].join("\n");
