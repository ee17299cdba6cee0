/** `flotilla env`: settings for programs that call models by themselves, printed for the shell to take. */
import type { Command } from "commander";
import { parseModelEnv } from "../../models/env.ts";
import { FleetError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";

export function addEnv(program: Command, context: CliContext, exit: (code: number) => void): void {
  const env = program.command("env").description('print settings for other programs, for the shell: eval "$(flotilla env …)"');
  env
    .command("claude-code")
    .description("send Claude Code through the proxy of LITELLM_BASE_URL")
    .option("--model <name>", "the proxy's name of the model; default: Claude Code's own choice")
    .option("--tag <tag...>", "tags under which the proxy books the spend")
    .action(({ model, tag = [] }: { readonly model?: string; readonly tag?: readonly string[] }) => {
      for (const line of claudeCodeLines(context.env, model, tag)) context.io.out(line);
      exit(EXIT.ok.code);
    });
}

/** The key is named and not printed: what is printed ends up in logs and histories. */
export function claudeCodeLines(env: CliContext["env"], model: string | undefined, tags: readonly string[]): string[] {
  const { LITELLM_BASE_URL: baseURL } = parseModelEnv(env);
  if (baseURL === undefined) {
    throw new FleetError("MODEL_KEY_MISSING", "There is no proxy that Claude Code could be sent through.", {
      at: "LITELLM_BASE_URL",
      remedy: "set LITELLM_BASE_URL (and LITELLM_API_KEY) to a LiteLLM proxy",
    });
  }
  const bad = tags.find((tag) => !/^[\x21-\x2b\x2d-\x7e]+$/.test(tag));
  if (bad !== undefined) {
    throw new FleetError("USAGE", `Expected tags of printable ASCII without spaces and commas; got ${JSON.stringify(bad)}.`, {
      at: "--tag",
    });
  }
  return [
    // Claude Code adds /v1/messages itself.
    `export ANTHROPIC_BASE_URL=${quote(baseURL.replace(/(\/v1)?\/*$/, ""))}`,
    'export ANTHROPIC_AUTH_TOKEN="$LITELLM_API_KEY"',
    // With both set, it would ask Anthropic itself, on the wrong account.
    "unset ANTHROPIC_API_KEY",
    ...(model === undefined ? [] : [`export ANTHROPIC_MODEL=${quote(model)}`]),
    ...(tags.length === 0 ? [] : [`export ANTHROPIC_CUSTOM_HEADERS=${quote(`x-litellm-tags: ${tags.join(",")}`)}`]),
  ];
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
