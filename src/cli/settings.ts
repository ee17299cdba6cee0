/** What the environment says, parsed once. The rest of the code is handed the result and never reads the environment. */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";
import { LOG_LEVELS, type LogLevel } from "../telemetry/log.ts";

export type Env = Readonly<Record<string, string | undefined>>;

const httpUrlSchema = z.url({ protocol: /^https?$/ });

const envSchema = z.object({
  REDIS_URL: z
    .string()
    .regex(/^(rediss?|redis\+unix):\/\//, "expected redis://, rediss:// or redis+unix://")
    .optional(),
  FLOTILLA_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, _ and -")
    .default("flotilla"),
  FLOTILLA_LOG_LEVEL: z.enum(LOG_LEVELS).default("info"),
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: httpUrlSchema.optional(),
  LITELLM_BASE_URL: httpUrlSchema.optional(),
  LITELLM_API_KEY: z.string().optional(),
});

export interface Settings {
  /** Absent: the project's own private Redis is used. */
  readonly redisUrl: string | undefined;
  readonly prefix: string;
  readonly logLevel: LogLevel;
  readonly hasOpenAiKey: boolean;
  readonly openAiBaseUrl: string | undefined;
  readonly liteLlmBaseUrl: string | undefined;
}

/** @throws FleetError INPUT_INVALID naming the variable. */
export function readSettings(env: Env): Settings {
  // A variable that is set to nothing counts as not set, as in a shell's ${NAME:-default}.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = envSchema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0] ?? "environment");
    throw new FleetError("INPUT_INVALID", `Expected a valid ${name}: ${issue?.message ?? "not valid"}.`, {
      at: name,
      remedy: `unset ${name} or correct it`,
    });
  }
  const { REDIS_URL, ...rest } = parsed.data;
  return {
    redisUrl: REDIS_URL,
    prefix: rest.FLOTILLA_PREFIX,
    logLevel: rest.FLOTILLA_LOG_LEVEL,
    hasOpenAiKey: rest.OPENAI_API_KEY !== undefined,
    openAiBaseUrl: rest.OPENAI_BASE_URL,
    liteLlmBaseUrl: rest.LITELLM_BASE_URL,
  };
}
