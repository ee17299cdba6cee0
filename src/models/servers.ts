/** Servers that speak OpenAI's API besides OpenAI and the proxy: each serves the names that begin with the prefix it is registered under. */
import { FleetError } from "../protocol/errors.ts";

export interface ModelServer {
  readonly api: "chat" | "responses";
  readonly baseURL: string;
  /** The environment variable that holds the key; none for a server without keys. */
  readonly apiKeyEnv: string | undefined;
}

export interface OpenAICompatibleOptions {
  /** With the path before `/chat/completions`, such as `http://127.0.0.1:11434/v1`. */
  readonly baseURL: string;
  /** Name of the environment variable with the key. Default: the server asks for none. */
  readonly apiKeyEnv?: string;
  /** Default `chat`. */
  readonly api?: ModelServer["api"];
}

/**
 * Describes a server for the fleet's `models`: under the key `local` it serves `local/llama` as `llama`.
 * @throws FleetError INPUT_INVALID
 */
export function openAICompatible({ baseURL, apiKeyEnv, api = "chat" }: OpenAICompatibleOptions): ModelServer {
  if (!/^https?:\/\//.test(baseURL) || !URL.canParse(baseURL)) {
    throw new FleetError("INPUT_INVALID", `Expected an http address; got ${JSON.stringify(baseURL)}.`, {
      at: "openAICompatible.baseURL",
      remedy: "give the address before /chat/completions, such as http://127.0.0.1:11434/v1",
    });
  }
  return { api, baseURL, apiKeyEnv };
}
