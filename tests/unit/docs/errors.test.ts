/** `docs/errors.md` against the code, both ways. */
import { expect, test } from "vitest";
import { EXIT, exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { ERRORS, type ErrorCode, FleetError } from "../../../src/protocol/errors.ts";
import { filesOf, readText, tableBehind } from "./pages.ts";

const PAGE = "docs/errors.md";
const RECORDS_ONLY = "\n# Codes in run records only\n";

// The table's keys, which `satisfies` makes the codes.
const codes = Object.keys(ERRORS) as ErrorCode[];
const [thrownPart = "", recordPart = ""] = readText(PAGE).split(RECORDS_ONLY);
const sectionsOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")).trim(), section]),
  );
const thrown = sectionsOf(thrownPart.split("\n# Codes of FleetError\n")[1] ?? "");
const inRecords = sectionsOf(recordPart);

test("every code has a section, and every section a code", () => {
  expect([...thrown.keys()]).toEqual(codes.toSorted());
});

test("every section says when, what the fleet does, and what you do", () => {
  for (const [code, section] of [...thrown, ...inRecords]) {
    for (const part of ["- **When:**", "- **The fleet:**", "- **You:**"]) expect(section, code).toContain(part);
  }
});

test("every code is used outside its table, but for the reserved ones", () => {
  const source = filesOf("src/**/*.{ts,lua}")
    .filter((file) => file !== "src/protocol/errors.ts" && file !== "src/cli/exit-codes.ts")
    .map(readText)
    .join("\n");
  // Between quotes: a name in a comment is no use.
  expect(codes.filter((code) => !source.includes(`"${code}"`) && !new RegExp(`\\b${code}:`).test(source))).toEqual([]);
});

test("codes that only run records hold have a section in the second part, and no others", () => {
  const literals = filesOf("src/workers/*.ts", "src/agents/*.ts", "src/redis/scripts/*.lua").flatMap((file) =>
    [...readText(file).matchAll(/(?:code: |fail\()"(\w+)"/g)].map(([, code = ""]) => code),
  );
  const foreign = [...new Set(literals)].filter((code) => !(code in ERRORS));
  expect([...inRecords.keys()].toSorted()).toEqual(foreign.toSorted());
});

test("the exit codes are those of the command line", () => {
  expect(tableBehind(PAGE, "## Exit codes")).toEqual(Object.values(EXIT).map(({ code, means }) => [String(code), means]));
});

test("a section names its exit code when that is not 2", () => {
  for (const code of codes) {
    const exitCode = exitCodeOf(new FleetError(code, "x"));
    const named = /Exit code (\d+)/.exec(thrown.get(code) ?? "")?.[1];
    expect(named === undefined ? EXIT.usage.code : Number(named), code).toBe(exitCode);
  }
});
