/**
 * What README and docs say, against what is there.
 *
 * The rule for code in documents: every `ts` block is the text of a whole file under `examples/` or `src/`, or of one of its regions
 * (`// #region name` to `// #endregion`, indentation taken away). Only imports differ: where a file of this repository imports
 * `../../src/index.ts`, a reader imports `flotilla`. So change the file first, then paste it.
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import { fakeContext } from "../cli/fake-context.ts";
import { anchors, codeBlocks, filesOf, PAGES, prose, readText, ROOT, spokenCode, tableBehind } from "./pages.ts";

test("there are pages to check", () => {
  expect(PAGES).toContain("README.md");
  expect(PAGES.length).toBeGreaterThan(8);
});

describe.each(PAGES)("%s", (page) => {
  test("its relative links point to files, and its anchors to headings", () => {
    expect(relativeLinks(page).filter((link) => !isGood(page, link))).toEqual([]);
  });

  test("its ts blocks are files, or regions of files, that are compiled", () => {
    const wrong = codeBlocks(page).filter(
      ({ language, text }) => ["ts", "typescript", "js"].includes(language) && !compiled.has(text.trim()),
    );
    expect(wrong.map(({ text }) => text)).toEqual([]);
  });

  test("the npm scripts that it names exist", () => {
    const scripts: Record<string, string> = JSON.parse(readText("package.json")).scripts;
    const named = spokenCode(page).flatMap((code) =>
      [...code.matchAll(/\bnpm run (?:-s |--silent )?([\w:]+)/g)].map(([, name = ""]) => name),
    );
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test("the commands and options that it names exist", async () => {
    const named = spokenCode(page).flatMap(commandLines);
    for (const { words, options } of named) {
      const help = await helpOf(words);
      expect(help, `flotilla ${words.join(" ")}`).toBeDefined();
      for (const option of options) expect(help, `flotilla ${words.join(" ")} ${option}`).toContain(option);
    }
  });

  test("the environment variables that it names are read by the code", () => {
    const named = new Set([...readText(page).matchAll(/\b(?:FLOTILLA|LITELLM|OPENAI|SUPPORT_DESK)_[A-Z_]*[A-Z]\b/g)].map(([name]) => name));
    expect([...named].filter((name) => !source.includes(name))).toEqual([]);
  });

  test("it names no path of one machine", () => {
    expect(readText(page)).not.toMatch(/(?:^|[\s"'`(])\/(?:work|home|root|Users)\//);
  });
});

const source = filesOf("src/**/*.ts", "examples/**/*.ts").map(readText).join("\n");

const relativeLinks = (page: string): string[] =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link).filter((link) => !/^[a-z]+:/.test(link));

function isGood(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || (statSync(join(ROOT, target)).isFile() && anchors(target).has(anchor));
}

/** Everything that a block may be. */
const compiled: ReadonlySet<string> = new Set(
  filesOf("examples/**/*.ts", "src/**/*.ts").flatMap((file) => {
    const text = asReader(readText(file));
    const regions = [...text.matchAll(/^ *\/\/ #region.*\n([\s\S]*?)^ *\/\/ #endregion/gm)].map(([, region = ""]) => dedent(region));
    return [text, ...regions].map((entry) => entry.trim());
  }),
);

function asReader(text: string): string {
  return text
    .replaceAll("../../src/index.ts", "flotilla")
    .replaceAll("../../src/producer.ts", "flotilla/producer")
    .replaceAll("../../src/guardrails/index.ts", "flotilla/guardrails")
    .replaceAll("../../src/testing/index.ts", "flotilla/testing");
}

function dedent(text: string): string {
  const depths = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => /^ */.exec(line)?.[0].length ?? 0);
  return text.replaceAll(new RegExp(`^ {${Math.min(...depths)}}`, "gm"), "");
}

interface CommandLine {
  readonly words: readonly string[];
  readonly options: readonly string[];
}

/** `flotilla runs show <run> --json` is the command `runs show` with one option. Found at the start of a span or line, and behind npm or npx. */
/** Commands whose next word is a command, too. */
const GROUPS = new Set(["runs", "approvals", "failures", "conversations"]);

function commandLines(code: string): CommandLine[] {
  const match = /^(?:\w+=\S+ )*(?:npx )?flotilla(?: (.*))?$/.exec(code.replace("npm run flotilla -- ", "flotilla "));
  if (match === null) return [];
  const parts = (match[1] ?? "").split(/\s+/).filter((part) => part !== "");
  // Names only: what comes behind the first placeholder, option or path are arguments.
  const end = parts.findIndex((part) => !/^[a-z]+$/.test(part));
  const names = end === -1 ? parts : parts.slice(0, end);
  const words = names.slice(0, GROUPS.has(names[0] ?? "") ? 2 : 1);
  return [{ words, options: parts.filter((part) => /^--[a-z-]+$/.test(part)) }];
}

/** The command's own help; undefined when there is no such command. */
async function helpOf(words: readonly string[]): Promise<string | undefined> {
  const context = fakeContext();
  const code = await runCli([...words, "--help"], context);
  const help = context.stdout.join("");
  return code === 0 && help.startsWith(`Usage: ${["flotilla", ...words].join(" ")} `) ? help : undefined;
}

test("documents that comments in the code name are there", () => {
  const named = [...source.matchAll(/\bdocs\/[\w/.-]+\.md\b/g)].map(([path]) => path);
  expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

describe("docs/architecture.md", () => {
  const page = "docs/architecture.md";
  const promises = tableBehind(page, "### Every promise");

  test("every promise of the README has its rows, in the README's order", () => {
    const [, list = ""] = /^## What it promises\n([\s\S]*?)^## /m.exec(readText("README.md")) ?? [];
    const bullets = list.split("\n").filter((line) => line.startsWith("- "));
    expect(bullets.length).toBeGreaterThan(5);
    const kept = tableBehind(page, "### The README's promises");
    expect(kept.map(([name]) => name)).toEqual(bullets.map((bullet) => /^- \*\*(.+?)\.\*\* /.exec(bullet)?.[1] ?? bullet));
    const known = new Set(promises.map(([promise]) => promise));
    const named = kept.flatMap(([, rows = ""]) => rows.split("; "));
    expect(named.filter((row) => !known.has(row))).toEqual([]);
  });

  test("every file that it names is there", () => {
    const named = spokenCode(page).filter((code) => /^(?:src|tests|docs|examples)\/[\w/.-]+\.\w+$/.test(code));
    const inPictures = codeBlocks(page).flatMap(({ text }) => [...text.matchAll(/\b(?:src|tests)\/[\w/.-]+\.\w+/g)].map(([path]) => path));
    expect([...named, ...inPictures].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    expect(named.length).toBeGreaterThan(30);
  });

  test("every promise has a test of that name in that file", () => {
    expect(promises.length).toBeGreaterThan(20);
    const missing = promises.filter(([, file = "", title = ""]) => !hasTest(bare(file), bare(title)));
    expect(missing).toEqual([]);
  });

  test("it names every invariant, and every promise's invariants are among them", () => {
    const rows = tableBehind(page, "## Invariants");
    expect(rows.map(([name]) => name)).toEqual(Array.from({ length: 13 }, (_, index) => `I${index + 1}`));
  });

  test("its chart has every state, and every script that it labels an arrow with exists", () => {
    const chart = codeBlocks(page).find(({ language }) => language === "mermaid")?.text ?? "";
    const statuses = ["queued", "running", "suspended", "paused", "completed", "failed", "blocked", "refused", "cancelled", "expired"];
    expect(statuses.filter((status) => !chart.includes(`--> ${status}`))).toEqual([]);
    const causes = [...chart.matchAll(/: ([\w-]+)/g)].map(([, script = ""]) => `src/redis/scripts/${script}.lua`);
    expect(causes.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});

const bare = (cell: string): string => cell.replaceAll("`", "");

function hasTest(file: string, title: string): boolean {
  // `test(…` and `test.each(…)(…` alike.
  return (
    existsSync(join(ROOT, file)) &&
    readText(file)
      .replaceAll(/\(\s+"/g, '("')
      .includes(`("${title}"`)
  );
}
