/** README and docs as data, for the tests beside this file. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export const readText = (file: string): string => readFileSync(`${ROOT}${file}`, "utf8");

const isThere = (file: string): boolean => globSync(file, { cwd: ROOT }).length > 0;

/** The pages that are checked, as paths from the root. */
export const PAGES: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  ...globSync(["docs/**/*.md", "examples/**/*.md"], { cwd: ROOT }).toSorted(),
].filter(isThere);

export const filesOf = (...globs: readonly string[]): string[] => globSync(globs, { cwd: ROOT }).toSorted();

export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** Fenced blocks. */
export const codeBlocks = (page: string): CodeBlock[] =>
  [...readText(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = "", text = ""]) => ({ language, text }));

/** A page without its fenced blocks: what is prose, tables and links. */
export const prose = (page: string): string => readText(page).replace(/^```\w*\n[\s\S]*?^```$/gm, "");

/** What the reader is told to type or look at: code spans and the lines of shell blocks. */
export const spokenCode = (page: string): string[] => [
  ...[...prose(page).matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code),
  ...codeBlocks(page)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => text.split("\n"))
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== ""),
];

/** The anchors that GitHub gives a page's headings. */
export const anchors = (page: string): Set<string> =>
  new Set(
    [...prose(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(" ", "-"),
    ),
  );

/** The rows of the first table behind `heading`, without head and rule. */
export function tableBehind(page: string, heading: string): string[][] {
  const [, behind = ""] = readText(page).split(`\n${heading}\n`);
  const rows = /(?:^\|.*\|\n)+/m.exec(behind)?.[0].trim().split("\n") ?? [];
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}
