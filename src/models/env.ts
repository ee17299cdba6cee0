/** The settings of model routes. They are parsed here once; nothing else reads the environment for them. */
import { z } from "zod";
import { FleetError } from "../protocol/errors.ts";

const optionalText = z
  .string()
  .trim()
  .optional()
  // An empty variable is how shells and compose files say "not set".
  .transform((text) => (text === "" ? undefined : text));

const optionalUrl = optionalText.refine((text) => text === undefined || URL.canParse(text), "expected a URL such as https://host/v1");

export const modelEnvSchema = z.object({
  OPENAI_API_KEY: optionalText,
  OPENAI_BASE_URL: optionalUrl,
  /** Which of OpenAI's two APIs serves names without a prefix. Default `responses`. */
  FLOTILLA_OPENAI_API: z.preprocess((value) => (value === "" ? undefined : value), z.enum(["responses", "chat"]).default("responses")),
  /** A LiteLLM (or any Chat Completions) proxy for names with a prefix, such as `anthropic/claude-…`. */
  LITELLM_BASE_URL: optionalUrl,
  LITELLM_API_KEY: optionalText,
  /** How the proxy is asked for Claude: by Chat Completions, or by its `/v1/messages`. Default `chat`. */
  FLOTILLA_LITELLM_API: z.preprocess((value) => (value === "" ? undefined : value), z.enum(["chat", "messages"]).default("chat")),
  /** For `anthropic/…` where there is no proxy. */
  ANTHROPIC_API_KEY: optionalText,
  ANTHROPIC_BASE_URL: optionalUrl,
});
export type ModelEnv = z.infer<typeof modelEnvSchema>;

/**
 * Reads the model settings out of environment variables.
 * @throws FleetError INPUT_INVALID naming the variable; the value is not repeated, because it may be a key.
 */
export function parseModelEnv(env: Readonly<Record<string, string | undefined>>): ModelEnv {
  const parsed = modelEnvSchema.safeParse(env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = String(issue?.path[0] ?? "environment");
  throw new FleetError("INPUT_INVALID", `The environment variable ${name} is not valid: ${issue?.message ?? "unexpected value"}.`, {
    at: name,
    remedy: `correct or unset ${name}`,
  });
}
