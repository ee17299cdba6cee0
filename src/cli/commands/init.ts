/** `flotilla init`: a fleet to begin with. Never overwrites. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { FleetError } from "../../protocol/errors.ts";
import type { CliContext } from "../context.ts";

const FLEET_FILE = `import { Agent, tool } from "@openai/agents";
import { createFleet, toolPolicy } from "flotilla";
import { z } from "zod";

// "idempotent": may run again after a crash, under the same key. Without a policy a person is asked.
const lookUpOrder = toolPolicy(
  tool({
    name: "look_up_order",
    description: "Finds an order by its number.",
    parameters: z.object({ order: z.string() }),
    execute: async ({ order }) => ({ order, total: 42, paid: true }),
  }),
  { onCrash: "idempotent" },
);

// A name, with OPENAI_API_KEY set; "anthropic/…" with ANTHROPIC_API_KEY set; any other prefix goes to the proxy of LITELLM_BASE_URL.
const model = "gpt-5.4-mini";

const refunds = new Agent({
  name: "refunds",
  model,
  instructions: "Check the order, then decide about the refund.",
  tools: [lookUpOrder],
});
const triage = new Agent({ name: "triage", model, instructions: "Answer, or hand off to the specialist.", handoffs: [refunds] });

export const fleet = createFleet({ agents: { triage, refunds } });
`;

const ENV_FILE = `# Copy to .env and load it with: node --env-file=.env …, or your shell.
# Without REDIS_URL each folder gets a private Redis, if redis-server or valkey-server is installed.
REDIS_URL=
OPENAI_API_KEY=
# An OpenAI-compatible endpoint, such as a LiteLLM proxy.
OPENAI_BASE_URL=
FLOTILLA_PREFIX=flotilla
FLOTILLA_LOG_LEVEL=info
`;

const FILES: Readonly<Record<string, string>> = { "fleet.ts": FLEET_FILE, ".env.example": ENV_FILE };

export function addInit(program: Command, context: CliContext): void {
  program
    .command("init")
    .description("write fleet.ts and .env.example here; refuses to overwrite")
    .option("--json", "print the written files as JSON")
    .action((flags: { readonly json?: true }) => init(context, flags.json === true));
}

async function init({ cwd, io }: CliContext, json: boolean): Promise<void> {
  const there = Object.keys(FILES).find((name) => existsSync(path.join(cwd, name)));
  if (there !== undefined) {
    throw new FleetError("USAGE", `The file ${there} is there already; nothing was written.`, {
      at: path.join(cwd, there),
      remedy: "run init in another folder, or move the file",
    });
  }
  // "wx" refuses a file that appeared meanwhile.
  for (const [name, text] of Object.entries(FILES)) await writeFile(path.join(cwd, name), text, { flag: "wx" });
  if (json) io.out(JSON.stringify({ written: Object.keys(FILES) }));
  else for (const name of Object.keys(FILES)) io.out(name);
  io.say('In package.json: "type": "module", and "scripts": { "dev": "flotilla dev", "worker": "flotilla worker" }.');
  io.say("Install: npm install flotilla @openai/agents zod. Set OPENAI_API_KEY; .env.example tells of the other settings.");
  io.say('Then: flotilla dev, and in another terminal: flotilla submit triage "Where is order 17?" --wait');
}
