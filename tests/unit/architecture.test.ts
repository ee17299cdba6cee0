/** The direction of imports (docs: design, section 6). A rule that nobody has seen fail is not a rule: each arrow is planted here once. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** File, and the line in it that must be reported. */
const VIOLATIONS: readonly (readonly [file: string, line: string])[] = [
  ["src/protocol/a.ts", `import "../redis/x.ts";`],
  ["src/protocol/b.ts", `import "../clock.ts";`],
  ["src/protocol/c.ts", `import "ioredis";`],
  ["src/protocol/d.ts", `import "@openai/agents";`],
  ["src/protocol/e.ts", `import "node:fs";`],
  ["src/telemetry/a.ts", `import "../redis/x.ts";`],
  ["src/codec/a.ts", `import "../redis/x.ts";`],
  ["src/codec/b.ts", `import "ioredis";`],
  ["src/codec/c.ts", `import "../clock.ts";`],
  ["src/redis/a.ts", `import "../agents/x.ts";`],
  ["src/redis/b.ts", `import "../workers/x.ts";`],
  ["src/redis/c.ts", `import "../producers/x.ts";`],
  ["src/redis/d.ts", `import "../models/x.ts";`],
  ["src/redis/scripts/e.ts", `import "../../agents/x.ts";`],
  ["src/models/a.ts", `import "../redis/x.ts";`],
  ["src/models/b.ts", `import "../agents/x.ts";`],
  ["src/models/c.ts", `import "../workers/x.ts";`],
  ["src/agents/a.ts", `import "bullmq";`],
  ["src/agents/b.ts", `import "ioredis";`],
  ["src/agents/c.ts", `import type { Redis } from "ioredis";`],
  ["src/agents/d.ts", `import type { Store } from "../redis/x.ts";`],
  ["src/agents/e.ts", `import "../workers/x.ts";`],
  ["src/agents/f.ts", `import "../producers/x.ts";`],
  ["src/agents/g.ts", `import "../fleet.ts";`],
  ["src/guardrails/a.ts", `import "../agents/x.ts";`],
  ["src/guardrails/b.ts", `import "../clock.ts";`],
  ["src/guardrails/c.ts", `import "ioredis";`],
  ["src/workflows/a.ts", `import "../workers/x.ts";`],
  ["src/workflows/b.ts", `import "../redis/x.ts";`],
  ["src/producers/a.ts", `import "@openai/agents";`],
  ["src/producers/b.ts", `import "../agents/x.ts";`],
  ["src/producers/c.ts", `import "../workers/x.ts";`],
  ["src/producers/d.ts", `import "@openai/agents/testing";`],
  ["src/producer.ts", `import "@openai/agents";`],
  ["src/producer.ts", `import "./agents/x.ts";`],
  ["src/workers/a.ts", `import "../producers/x.ts";`],
  ["src/workers/b.ts", `import "../fleet.ts";`],
  ["src/workers/c.ts", `import "../api/x.ts";`],
  ["src/workers/d.ts", `import "../testing/x.ts";`],
  ["src/testing/a.ts", `import "../cli/x.ts";`],
  ["src/testing/b.ts", `import "../redis/x.ts";`],
  ["src/testing/c.ts", `import { createFleet } from "../fleet.ts";`],
  ["src/testing/d.ts", `import "bullmq";`],
  ["src/client/a.ts", `import "../redis/x.ts";`],
  ["src/api/a.ts", `import "../cli/x.ts";`],
  ["src/fleet.ts", `import "./cli/x.ts";`],
  ["src/clock.ts", `import "./protocol/x.ts";`],
  ["src/workers/e.ts", `export const nowMs = (): number => Date.now();`],
  ["src/workers/f.ts", `export const now = (): Date => new Date();`],
  ["src/redis/g.ts", `export const url = process.env["REDIS_URL"];`],
  ["src/agents/h.ts", `export default 1;`],
];

/** What must stay allowed: a rule that forbids everything would pass the tests above. */
const ALLOWED: readonly (readonly [file: string, line: string])[] = [
  ["src/protocol/ok.ts", `import { z } from "zod"; export const a = z.string();`],
  ["src/codec/ok.ts", `import "../protocol/x.ts"; import "node:crypto"; import "zod";`],
  ["src/redis/ok.ts", `import "../protocol/x.ts"; import "../clock.ts"; import "ioredis"; import "node:fs";`],
  ["src/agents/ok.ts", `import "../protocol/x.ts"; import "../clock.ts"; import "@openai/agents"; import "./x.ts";`],
  ["src/guardrails/ok.ts", `import "../protocol/x.ts"; import "@openai/agents"; import "zod"; import "./x.ts";`],
  ["src/workers/ok.ts", `import "../agents/x.ts"; import "../redis/x.ts"; import "../models/x.ts"; import "bullmq";`],
  ["src/producers/ok.ts", `import "../redis/x.ts"; import "../protocol/x.ts"; import "bullmq";`],
  ["src/testing/ok.ts", `import "../agents/x.ts"; import "../workers/x.ts"; import "../producers/x.ts"; import "../protocol/x.ts";`],
  ["src/testing/ok2.ts", `import type { Fleet } from "../fleet.ts"; import "../models/x.ts"; import "../telemetry/x.ts";`],
  ["src/cli/ok.ts", `import "../fleet.ts"; import "../testing/x.ts"; export const url = process.env["REDIS_URL"];`],
  ["src/api/ok.ts", `import "../fleet.ts"; import "../workers/x.ts";`],
  ["src/workers/ok2.ts", `export const at = (ms: number): Date => new Date(ms);`],
];

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

const DIRECTION_RULES = [
  "eslint(no-restricted-imports)",
  "eslint(no-restricted-properties)",
  "flotilla(no-machine-time)",
  "node(no-process-env)",
  "import(no-cycle)",
  "import(no-default-export)",
];

async function lint(folder: string): Promise<Diagnostic[]> {
  const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint");
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [oxlint, "-f", "json", "src"], { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (_error, stdout) =>
      resolve(stdout),
    );
  });
  const { diagnostics }: { diagnostics: Diagnostic[] } = JSON.parse(output);
  return diagnostics.filter((diagnostic) => DIRECTION_RULES.includes(diagnostic.code));
}

describe("planted violations", { tags: ["processes"] }, () => {
  let folder = "";
  let reported: ReadonlySet<string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "flotilla-architecture-"));
    const config = JSON.parse(await readFile(join(root, ".oxlintrc.json"), "utf8"));
    await writeFile(join(folder, ".oxlintrc.json"), JSON.stringify({ ...config, options: {}, ignorePatterns: [] }));
    await cp(join(root, "tools", "lint"), join(folder, "tools", "lint"), { recursive: true });
    for (const [file, line] of [...VIOLATIONS, ...ALLOWED]) await plant(join(folder, file), line);
    const found = await lint(folder);
    reported = new Set(await Promise.all(found.map((diagnostic) => lineOf(folder, diagnostic))));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(VIOLATIONS)("%s: %s is reported", (file, line) => {
    expect([...reported]).toContain(`${file}: ${line}`);
  });

  test.each(ALLOWED)("%s is not", (file, line) => {
    expect([...reported]).not.toContain(`${file}: ${line}`);
  });
});

async function lineOf(folder: string, { filename, labels }: Diagnostic): Promise<string> {
  const lines = (await readFile(join(folder, filename), "utf8")).split("\n");
  return `${filename}: ${lines[(labels[0]?.span.line ?? 0) - 1]}`;
}

/** Files that are planted into more than once keep all their lines. */
async function plant(path: string, line: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${line}\n`, { flag: "a" });
}

test("the real tree keeps the direction", { tags: ["processes"], timeout: 60_000 }, async () => {
  const found = await lint(root);
  expect(found.map(({ code, filename, labels }) => `${filename}:${labels[0]?.span.line} ${code}`)).toEqual([]);
});

test("the linter knows every folder of src", async () => {
  const config: { overrides: { files: string[] }[] } = JSON.parse(await readFile(join(root, ".oxlintrc.json"), "utf8"));
  const known = config.overrides.flatMap((override) => override.files);
  const folders = (await readdir(join(root, "src"), { withFileTypes: true })).filter((entry) => entry.isDirectory());
  expect(folders.map((entry) => `src/${entry.name}/**`).filter((glob) => !known.includes(glob))).toEqual([]);
});
