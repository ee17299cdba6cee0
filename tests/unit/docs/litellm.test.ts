/** docs/litellm-contract.md says what was seen of a real proxy; here it is compared with the tests that saw it. */
import { expect, test } from "vitest";
import { filesOf, readText, tableBehind } from "./pages.ts";

const PAGE = "docs/litellm-contract.md";

/** How many questions there are about each part: all of them must be answered, or said to be open. */
const QUESTIONS = { C: 25, M: 10, P: 10, A: 4, R: 9, F: 8, D: 5 };

const FILES = filesOf("tests/integration/litellm-*.test.ts");

/** A title begins with the questions that it answers. */
const titles = FILES.flatMap((file) =>
  [...readText(file).matchAll(/\(\s*"((?:[A-Z]\d+, )*[A-Z]\d+): ([^"]+)"/g)].map(([, ids = "", title = ""]) => [
    ids,
    title,
    `\`${file.slice("tests/integration/".length)}\``,
  ]),
);

const idsOf = (rows: readonly (readonly string[])[]): string[] => rows.flatMap(([ids = ""]) => ids.split(", "));

test("the table of what was seen is the list of the tests", () => {
  expect(tableBehind(PAGE, "## What was seen")).toEqual(titles);
});

test("every question is answered by a test, or stands among those not asked, with the reason", () => {
  const all = Object.entries(QUESTIONS).flatMap(([part, count]) => Array.from({ length: count }, (_, index) => `${part}${index + 1}`));
  const answered = new Set(idsOf(titles));
  const open = tableBehind(PAGE, "## What was not asked");
  expect(idsOf(open).filter((id) => answered.has(id))).toEqual([]);
  expect([...answered, ...idsOf(open)].toSorted()).toEqual(all.toSorted());
  expect(open.filter(([, reason = ""]) => reason.length < 20)).toEqual([]);
});
