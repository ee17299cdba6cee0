import { execFile } from "node:child_process";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TAGS } from "../support/tags.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("tags", { tags: ["processes", "slow"] }, () => {
  let folder = "";

  beforeEach(async () => {
    await mkdir(join(root, ".flotilla"), { recursive: true });
    // Inside the project, so that the planted files find vitest.
    folder = await mkdtemp(join(root, ".flotilla", "tags-"));
    const config = `
      import { TAGS } from "${root}tests/support/tags.ts";
      import { TallyReporter } from "${root}tests/support/tally-reporter.ts";
      export default { test: { tags: TAGS, strictTags: true, name: "unit", runner: "${root}tests/support/folder-tag-runner.ts",
        include: ["*.test.ts"], reporters: ["default", new TallyReporter()] } };`;
    await writeFile(join(folder, "vitest.config.ts"), config);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("an unregistered tag is an error that names it", async () => {
    const run = await runVitest(`import { test } from "vitest"; test("a", { tags: ["mispelt"] }, () => {});`);
    expect(run.exitCode).toBe(1);
    expect(run.output).toContain("mispelt");
    expect(run.lastLine).toBe("0 passed, 1 failed, 0 skipped");
  });

  test("a folder's tag selects its tests without being written", async () => {
    const source = `import { test } from "vitest"; test("a", { tags: ["slow"] }, () => {}); test("b", () => {});`;
    expect((await runVitest(source, "--tagsFilter", "unit")).lastLine).toBe("2 passed, 0 failed, 0 skipped");
    expect((await runVitest(source, "--tagsFilter", "unit && !slow")).lastLine).toBe("1 passed, 0 failed, 1 skipped");
  });

  test("the end of a run tells each skip's reason, then the numbers", async () => {
    const run = await runVitest(`import { test } from "vitest"; test("a", () => {}); test("b", (c) => c.skip("needs the moon"));`);
    expect(run.lines.slice(-2)).toEqual(["skipped: planted.test.ts > b (needs the moon)", "1 passed, 0 failed, 1 skipped"]);
  });

  interface Run {
    readonly exitCode: number;
    readonly output: string;
    readonly lines: readonly string[];
    readonly lastLine: string | undefined;
  }

  async function runVitest(source: string, ...args: string[]): Promise<Run> {
    await writeFile(join(folder, "planted.test.ts"), source);
    const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
    const env = { ...process.env, NO_COLOR: "1", VITEST: undefined, VITEST_POOL_ID: undefined, VITEST_WORKER_ID: undefined };
    return new Promise((resolve) => {
      execFile(process.execPath, [vitest, "run", "--root", folder, ...args], { env }, (error, stdout, stderr) => {
        const lines = stdout.trimEnd().split("\n");
        resolve({ exitCode: error === null ? 0 : 1, output: stdout + stderr, lines, lastLine: lines.at(-1) });
      });
    });
  }
});

test("every tag is described, and once", () => {
  expect(new Set(TAGS.map((tag) => tag.name)).size).toBe(TAGS.length);
  expect(TAGS.filter((tag) => tag.description === "")).toEqual([]);
});
