/** What the environment says, parsed once. The rest of the code is handed the result and never reads the environment. */
import { z } from "zod";
import { parsePayloadKeys } from "../codec/payload-keys.ts";
import { type PayloadCodec, payloadCodec } from "../codec/payload-codec.ts";
import { FleetError, isFleetError } from "../protocol/errors.ts";
import { ADDRESS_FORMS } from "../redis/address.ts";
import { LOG_LEVELS, type LogLevel } from "../telemetry/log.ts";

export type Env = Readonly<Record<string, string | undefined>>;

const httpUrlSchema = z.url({ protocol: /^https?$/ });

const envSchema = z.object({
  REDIS_URL: z
    .string()
    .regex(/^(rediss?(\+sentinel|\+cluster)?|redis\+unix):\/\//, `expected ${ADDRESS_FORMS}`)
    .optional(),
  FLOTILLA_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, _ and -")
    .default("flotilla"),
  FLOTILLA_LOG_LEVEL: z.enum(LOG_LEVELS).default("info"),
  FLOTILLA_PAYLOAD_KEYS: z
    .string()
    .transform((text, context) => {
      try {
        return payloadCodec(parsePayloadKeys(text));
      } catch (error) {
        if (!isFleetError(error)) throw error;
        context.addIssue({ code: "custom", message: error.message.replace(/\.$/, "") });
        return z.NEVER;
      }
    })
    .optional(),
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
  /** Absent: nothing is sealed. */
  readonly codec: PayloadCodec | undefined;
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
    codec: rest.FLOTILLA_PAYLOAD_KEYS,
    hasOpenAiKey: rest.OPENAI_API_KEY !== undefined,
    openAiBaseUrl: rest.OPENAI_BASE_URL,
    liteLlmBaseUrl: rest.LITELLM_BASE_URL,
  };
}
