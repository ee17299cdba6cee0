/**
 * Promise: the compose profile `litellm` is a proxy for the fleet. Its image cannot be built without a registry, so what the image would run
 * is run here: its own command and configuration, on the packages that its requirements lock.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, type TestContext, test } from "vitest";
import { z } from "zod";
import { startFakeProvider } from "../../src/testing/fake-provider.ts";
import { liteLlmProgram } from "../../tools/litellm/install.ts";
import { MASTER_KEY, missingLiteLlm, READY_WITHIN_MS } from "../../tools/litellm/start.ts";
import { freePort, until } from "../../tools/loopback.ts";
import { composeCommand } from "../support/compose.ts";
import { readText, ROOT } from "../unit/docs/pages.ts";

const run = promisify(execFile);
const CONFIG = fileURLToPath(new URL("../../examples/litellm/config.yaml", import.meta.url));
const messages = [{ role: "user", content: "hi" }];

/** The last line of the Dockerfile, as the shell is given it. */
const imageCommand = (): string => {
  const [, command = ""] = /^CMD (\[.+\])$/m.exec(readText("tools/litellm/Dockerfile")) ?? [];
  return z.tuple([z.literal("sh"), z.literal("-c"), z.string()]).parse(JSON.parse(command))[2];
};

const probe = (): string => {
  const [, command = ""] = /^ {2}litellm:[\s\S]*?test: (\[.+\])$/m.exec(readText("docker-compose.yml")) ?? [];
  return z.tuple([z.literal("CMD"), z.literal("python"), z.literal("-c"), z.string()]).parse(JSON.parse(command))[3];
};

const here = (command: string, port: number): string =>
  command.replace("/app/config.yaml", CONFIG).replace("0.0.0.0", "127.0.0.1").replace("4000", String(port));

/** The folder with the proxy's programs; skips the test, with the reason, where there is none. */
function programsOf(context: Pick<TestContext, "skip">): string {
  const program = liteLlmProgram();
  return program === undefined ? context.skip(missingLiteLlm()) : dirname(program);
}

describe("the compose profile litellm", { tags: ["litellm", "processes", "slow"] }, () => {
  test("compose takes the file, and the proxy shares no Redis with the queue", async (context) => {
    const [program = "", ...args] = (await composeCommand()) ?? context.skip("needs `docker compose` or docker-compose");
    const { stdout } = await run(program, [...args, "--profile", "litellm", "config"], { cwd: ROOT });
    const [, service = ""] = /^ {2}litellm:\n((?: {4}.*\n)+)/m.exec(stdout) ?? [];
    expect(service).toContain("context: ");
    expect(service).toContain("/app/config.yaml");
    expect(service).not.toMatch(/redis/i);
  });

  test("the image's command refuses to start without a master key", async (context) => {
    const env = { PATH: `${programsOf(context)}:${process.env["PATH"]}`, LITELLM_MASTER_KEY: "" };
    const ended = run("sh", ["-c", imageCommand()], { env });
    await expect(ended).rejects.toMatchObject({ code: 1, stderr: "LITELLM_MASTER_KEY is not set\n" });
  });

  test("its command and configuration serve Claude and Claude on Azure by both doors", {
    timeout: READY_WITHIN_MS + 60_000,
  }, async (context) => {
    const programs = programsOf(context);
    await using fake = await startFakeProvider();
    const port = await freePort();
    const child = spawn("sh", ["-c", here(imageCommand(), port)], {
      env: {
        PATH: `${programs}:${process.env["PATH"]}`,
        LITELLM_MASTER_KEY: MASTER_KEY,
        LITELLM_LOCAL_MODEL_COST_MAP: "True",
        ANTHROPIC_API_BASE: fake.origin,
        ANTHROPIC_API_KEY: "sk-upstream",
        AZURE_API_BASE: `${fake.origin}/anthropic`,
        AZURE_API_KEY: "sk-azure",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said = text(child.stderr);
    try {
      await until("the probe of docker-compose.yml is content", READY_WITHIN_MS, async () => {
        if (child.exitCode !== null) throw new Error(`The proxy ended before it was ready:\n${await said}`);
        return run(join(programs, "python"), ["-c", here(probe(), port)]).then(
          () => true,
          () => false,
        );
      });
      for (const model of ["anthropic/claude-sonnet-4-6", "azure_ai/claude-sonnet-4-6"]) {
        for (const path of ["/v1/chat/completions", "/v1/messages"]) {
          const response = await fetch(`http://127.0.0.1:${port}${path}`, {
            method: "POST",
            headers: { authorization: `Bearer ${MASTER_KEY}`, "content-type": "application/json" },
            body: JSON.stringify({ model, max_tokens: 10, messages }),
          });
          expect(response.status, `${model} by ${path}`).toBe(200);
          expect(Number(response.headers.get("x-litellm-response-cost"))).toBeGreaterThan(0);
        }
      }
      expect(fake.calls.map((call) => [call.path, call.headers["x-api-key"]])).toEqual([
        ["/v1/messages", "sk-upstream"],
        ["/v1/messages", "sk-upstream"],
        ["/anthropic/v1/messages", "sk-azure"],
        ["/anthropic/v1/messages", "sk-azure"],
      ]);
    } finally {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  });
});
