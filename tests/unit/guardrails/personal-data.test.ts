/** Personal data by form and check digits: what is found, what only looks like it, and that no text makes the scan slow. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findPersonalData, maskPersonalData, maskToolOutput, noPersonalData } from "../../../src/guardrails/index.ts";

const found = (text: string) => findPersonalData(text).map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);

test.each([
  ["plain", "write to ann@example.com today", "ann@example.com"],
  ["at the end of a sentence", "write to ann@example.co.uk.", "ann@example.co.uk"],
  ["in brackets", "Ann <ann.o'neil+news@mail.example.org>", "ann.o'neil+news@mail.example.org"],
  ["in quotes", "'ann@example.com'", "ann@example.com"],
  ["in a link", "mailto:ann@example.com?subject=x", "ann@example.com"],
  ["with an umlaut", "jürgen@müller.de", "jürgen@müller.de"],
  ["in punycode", "ann@xn--mller-kva.de", "ann@xn--mller-kva.de"],
  ["behind a sign", "user=ann@example.com;", "ann@example.com"],
  ["with a footnote's number", "ann@example.com2 said", "ann@example.com"],
  ["with a digit for a name", "7@example.com", "7@example.com"],
])("e-mail, %s", (_what, text, address) => {
  expect(found(text)).toEqual([`email ${address}`]);
});

test.each([
  "ann@localhost",
  "@handle said",
  "3 @ 4.50",
  "lodash@4.17.21",
  "icon@2x.png",
  "a@b",
  "ann@.com",
  "ann.@example.com",
  "ann@-example.com",
  "ann@exa_mple",
  "@example.com",
  "x@y.z",
])("no e-mail: %s", (text) => {
  expect(found(text)).toEqual([]);
});

test.each([
  ["Visa", "4111111111111111"],
  ["Visa in groups", "4111 1111 1111 1111"],
  ["Visa with dashes", "4012-8888-8888-1881"],
  ["Visa with dots", "4111.1111.1111.1111"],
  ["Visa of 13 digits", "4222222222222"],
  ["Mastercard", "5555 5555 5555 4444"],
  ["Mastercard's new range", "2223003122003222"],
  ["American Express", "3782 822463 10005"],
  ["Diners Club", "3056 930902 5904"],
  ["Discover", "6011111111111117"],
  ["JCB", "3530111333300000"],
  ["UnionPay of 19 digits", "6205500000000000004"],
  ["with no-break spaces", "4111\u00a01111\u00a01111\u00a01111"],
])("card: %s", (_what, number) => {
  expect(found(`card ${number}, thanks`)).toEqual([`card ${number}`]);
});

test.each([
  ["followed by its date", "4111 1111 1111 1111 12 28", "4111 1111 1111 1111"],
  ["behind a short number", "no 12 5555 5555 5555 4444", "5555 5555 5555 4444"],
  ["behind a colon", "PAN:4111111111111111.", "4111111111111111"],
])("card, %s", (_what, text, number) => {
  expect(found(text)).toEqual([`card ${number}`]);
});

test.each([
  ["a wrong check digit", "4111 1111 1111 1112"],
  ["an order number", "order 1234567890123456"],
  ["a number that passes Luhn and that nobody issues", "1234567812345670"],
  ["zeros", "0000 0000 0000 0000"],
  ["a time in milliseconds", "1700000000000"],
  ["a time in microseconds", "1700000000000000"],
  ["an IMEI that passes Luhn", "490154203237518"],
  ["a tracking number", "9400 1118 9922 3197 4282 84"],
  ["an EAN", "4006381333931"],
  ["a fraction", "0.4111111111111111"],
  ["digits of a hash", "ab4111111111111111ef"],
  ["part of a longer number", "94111111111111111177777"],
  ["other groups", "41 111111 11111111"],
  ["mixed separators", "4111-1111 1111-1111"],
  ["a phone number", "+49 30 1234567"],
])("no card: %s", (_what, text) => {
  expect(found(text)).toEqual([]);
});

test.each([
  "DE89370400440532013000",
  "DE89 3704 0044 0532 0130 00",
  "de89 3704 0044 0532 0130 00",
  "DE89-3704-0044-0532-0130-00",
  "GB82 WEST 1234 5698 7654 32",
  "gb82west12345698765432",
  "FR14 2004 1010 0505 0001 3M02 606",
  "NL91 ABNA 0417 1643 00",
  "NO93 8601 1117 947",
  "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
  "CH93 0076 2011 6238 5295 7",
  "BR18 0036 0305 0000 1000 9795 493C 1",
])("IBAN: %s", (iban) => {
  expect(found(`to IBAN:${iban}, please`)).toEqual([`iban ${iban}`]);
  expect(found(`to ${iban} please`)).toEqual([`iban ${iban}`]);
});

test.each([
  ["a wrong check digit", "DE88 3704 0044 0532 0130 00"],
  ["a character short", "DE89 3704 0044 0532 0130 0"],
  ["a character more", "DE89 3704 0044 0532 0130 000"],
  ["an unknown country", "ZZ89 3704 0044 0532 0130 00"],
  ["an order number", "AB12 3456 7890"],
  ["part of a word", "xDE89370400440532013000"],
  ["groups of three", "DE8 937 040 044 053 201 300 0"],
  ["spread over lines", "DE89\n3704\n0044\n0532\n0130\n00"],
])("no IBAN: %s", (_what, text) => {
  expect(found(text)).toEqual([]);
});

describe("masking", () => {
  test("puts the kind in place of the value, and keeps the rest", () => {
    const text = "Ann (ann@example.com) paid DE89 3704 0044 0532 0130 00 with 4111 1111 1111 1111; order 1234567890123456.";
    expect(maskPersonalData(text)).toBe("Ann ([email]) paid [iban] with [card]; order 1234567890123456.");
    expect(maskPersonalData(text, { kinds: ["card"] })).toContain("ann@example.com");
  });

  test("overlapping values are one", () => {
    expect(maskPersonalData("4111111111111111@example.com")).toBe("[email]");
  });

  const piece = fc.oneof(
    fc.string(),
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("4111111111111111", "4111 1111 1111 1111", "a@b.com", "DE89370400440532013000", " ", "@", ".", "-", "1"),
  );

  test("leaves nothing to be found, whatever the text around", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        expect(findPersonalData(maskPersonalData(pieces.join("")))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  test("any digits with a right check digit behind a Visa's first digit are a card, and with another are none", () => {
    const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 14, maxLength: 14 });
    const doubled = "0246813579";
    const luhn = (number: string): number =>
      Array.from(number)
        .toReversed()
        .reduce((sum, digit, at) => sum + Number(at % 2 === 1 ? doubled[Number(digit)] : digit), 0) % 10;
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 9 }), (middle, last) => {
        const number = `4${middle.join("")}${last}`;
        expect(found(` ${number} `)).toEqual(luhn(number) === 0 ? [`card ${number}`] : []);
      }),
    );
  });
});

test("the check says how much of which kind, never which", async () => {
  const check = noPersonalData();
  expect(await check.find("a@example.com b@example.com 4111111111111111")).toEqual({ email: 2, card: 1 });
  expect(await check.find("nothing")).toBeUndefined();
});

const masked = async (output: unknown) =>
  // The guardrail reads the output only.
  (await maskToolOutput().run({ output } as Parameters<ReturnType<typeof maskToolOutput>["run"]>[0])).behavior;

test("a tool's result is masked value by value before the model reads it", async () => {
  expect(await masked("to ann@example.com")).toEqual({ type: "rejectContent", message: "to [email]" });
  expect(await masked({ to: "x\nann@example.com", card: 4111111111111111, "b@c.de": [1, null] })).toEqual({
    type: "rejectContent",
    message: '{"to":"x\\n[email]","card":"[card]","[email]":[1,null]}',
  });
  expect(await masked({ order: 1234567890123456 })).toEqual({ type: "allow" });
  expect(await masked(undefined)).toEqual({ type: "allow" });
});

test.each(["@", "a@", "a.", "a@a.", "1", "1 ", "4111 ", "4111 1111 1111 1111", "4", "DE89", "DE89 ", "de89-", "\u00a0", "ä"])(
  "a megabyte of %j is read in time that grows with its length only",
  (part) => {
    const text = part.repeat(1_000_000 / part.length);
    expect(findPersonalData(text).every(({ kind }) => kind === "card" || kind === "email")).toBe(true);
  },
);
