/**
 * Log records. `event` is `noun.past-participle` and the stable part; the words may change. Prompts, outputs, tool arguments and keys are
 * never logged: records are built from ids, names and numbers, and what slips into an error is redacted by path.
 */
import { pino } from "pino";

/** What the fleet logs through: pino's own shape, so that a user's logger fits. */
export interface Log {
  debug(fields: object, words: string): void;
  info(fields: object, words: string): void;
  warn(fields: object, words: string): void;
  error(fields: object, words: string): void;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on stderr: stdout belongs to data. */
export const createLog = (level: LogLevel): Log =>
  pino(
    {
      level,
      base: null,
      redact: ["err.headers", "err.request", "err.error", "err.response", "err.cause.headers", "*.apiKey", "*.authorization"],
    },
    pino.destination({ dest: 2, sync: true }),
  );

export const silentLog: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
