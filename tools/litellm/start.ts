/**
 * A real LiteLLM proxy on loopback, without a database. What it is given to run with is only what is written here: nothing of the machine's
 * environment reaches it, and it fetches nothing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { freePort, until } from "../loopback.ts";
import { liteLlmProgram } from "./install.ts";

/** Why no proxy can be started here; undefined when one can. */
export const missingLiteLlm = (): string | undefined =>
  liteLlmProgram() === undefined ? "needs a LiteLLM proxy: node tools/litellm/install.ts" : undefined;

export const MASTER_KEY = "sk-test-master";
export interface LiteLlmPlan {
  /** By the name that clients ask for: what the proxy calls. */
  readonly models: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** `litellm_settings`, besides those that keep it from retrying by itself. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** `general_settings`, besides the master key. */
  readonly general?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Paths of files that stand beside its configuration. */
  readonly files?: readonly string[];
}

export interface LiteLlm extends AsyncDisposable {
  /** Without `/v1`. */
  readonly url: string;
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export async function startLiteLlm({ models, settings = {}, general = {}, env = {}, files = [] }: LiteLlmPlan): Promise<LiteLlm> {
  const dir = mkdtempSync(join(tmpdir(), "flotilla-litellm-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    model_list: Object.entries(models).map(([name, params]) => ({ model_name: name, litellm_params: params })),
    litellm_settings: { num_retries: 0, request_timeout: 30, ...settings },
    // Without a cooldown: one planned failure must not take the model away from the next test.
    router_settings: { disable_cooldowns: true },
    general_settings: { master_key: MASTER_KEY, ...general },
  };
  // JSON is YAML.
  writeFileSync(join(dir, "config.yaml"), JSON.stringify(config));
  for (const file of files) copyFileSync(file, join(dir, basename(file)));
  const removeDir = (): void => rmSync(dir, { recursive: true, force: true });
  let child = await start(dir, port, env).catch((error: unknown) => {
    removeDir();
    throw error;
  });
  return {
    url,
    kill: () => kill(child),
    async restart() {
      child = await start(dir, port, env);
    },
    async [Symbol.asyncDispose]() {
      await kill(child);
      removeDir();
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Importing it alone takes seconds on a busy machine. */
export const READY_WITHIN_MS = 120_000;

async function start(dir: string, port: number, env: LiteLlmPlan["env"]): Promise<ChildProcess> {
  const program = liteLlmProgram();
  if (program === undefined) throw new Error("No LiteLLM is installed.");
  const args = ["--config", join(dir, "config.yaml"), "--host", "127.0.0.1", "--port", String(port), "--telemetry", "False"];
  const offline = { LITELLM_LOCAL_MODEL_COST_MAP: "True", LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS: "True", LITELLM_LOG: "ERROR" };
  const child = spawn(program, args, {
    cwd: dir,
    env: { PATH: process.env["PATH"], HOME: dir, ...offline, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-4_000);
    });
  }
  try {
    await until("the LiteLLM proxy is ready", READY_WITHIN_MS, async () => {
      if (child.exitCode !== null) throw new Error(`The LiteLLM proxy ended before it was ready:\n${said}`);
      const answer = await fetch(`http://127.0.0.1:${port}/health/readiness`).catch(() => undefined);
      return answer?.status === 200;
    });
  } catch (error) {
    await kill(child);
    throw error;
  }
  return child;
}
