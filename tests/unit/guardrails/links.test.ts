/** Links by where a browser would go, and the tricks with which they say something else. */
import { expect, test } from "vitest";
import { linksOnlyTo } from "../../../src/guardrails/index.ts";

const check = linksOnlyTo({ hosts: ["example.com", "*.docs.example.com", "münchen.example"] });

test.each([
  "no link at all, 12:30 // and a/b\\c",
  "https://example.com",
  "See https://example.com/a?b=1#c, and http://EXAMPLE.com.",
  "(https://example.com/)",
  "[docs](https://api.docs.example.com/x) and ![logo](https://example.com/logo.png)",
  "[here](/orders/7) and [there](#top) and [near](../x?y=1&z=2)",
  "https://example.com./",
  "https://example.com:443/",
  "https:\\/\\/example.com\\/escaped-in-json",
  "https://münchen.example/ and https://xn--mnchen-3ya.example/",
  '<a href="https://example.com/">x</a> <img src=/logo.png>',
  "[12:30]: Ann: hello",
  "const x: string = a[0](b); c::d",
])("passes: %s", async (text) => {
  expect(await check.find(text)).toBeUndefined();
});

test.each([
  ["another host", "https://evil.com/?q=secret", "evil.com"],
  ["a host below, which is not listed", "https://www.example.com/", "www.example.com"],
  ["the host above a wildcard", "https://docs.example.com/", "docs.example.com"],
  ["a host that ends alike", "https://notexample.com/", "notexample.com"],
  ["a host that begins alike", "https://example.com.evil.com/", "example.com.evil.com"],
  ["user information", "https://example.com@evil.com/", "credentials@evil.com"],
  ["user information with a password", "https://example.com:443@evil.com/", "credentials@evil.com"],
  ["credentials at a listed host", "https://ann:pw@example.com/", "credentials@example.com"],
  ["a backslash before the host ends", "https://evil.com\\@example.com/", "evil.com"],
  ["backslashes for slashes", "https:\\\\evil.com", "evil.com"],
  ["one slash", "https:/evil.com", "evil.com"],
  ["many slashes", "https:////evil.com", "evil.com"],
  ["another port", "https://example.com:8443/", "example.com:8443"],
  ["a look-alike letter", "https://exаmple.com/", "xn--exmple-4nf.com"],
  ["punycode of another", "https://xn--exmple-4nf.com/", "xn--exmple-4nf.com"],
  ["a percent-encoded host", "https://%65vil.com/", "evil.com"],
  ["a full-width host", "https://ｅｖｉｌ.com/", "evil.com"],
  ["an ideographic full stop", "https://example.com。evil.com/", "example.com.evil.com"],
  ["an address as a number", "http://2130706433/", "127.0.0.1"],
  ["capitals", "HTTPS://EVIL.COM", "evil.com"],
  ["another scheme", "ftp://example.com/x", "ftp:"],
  ["a glued scheme", "xhttps://evil.com", "xhttps:"],
  ["www without a scheme", "go to www.evil.com now", "www.evil.com"],
  ["two hosts with a comma", "https://example.com,https://evil.com", "example.com,https"],
  ["a link whose text is another", "[https://example.com/](https://evil.com/)", "evil.com"],
  ["an image", "![x](https://evil.com/?d=secret)", "evil.com"],
  ["an image without a scheme", "![x](//evil.com/?d=secret)", "evil.com"],
  ["an image in angle brackets", "![x](<//evil.com/a b>)", "evil.com"],
  ["a title behind the target", '[x](//evil.com "title")', "evil.com"],
  ["a line between", "[x](\n   //evil.com)", "evil.com"],
  ["a script", "[x](javascript:alert(1))", "javascript:"],
  ["a script with a tab inside", '<a href="java\tscript:alert(1)">x</a>', "javascript:"],
  ["data", "![x](data:text/html,hi)", "data:"],
  ["mail, unless it is listed", "[x](mailto:ann@example.com)", "mailto:"],
  ["an autolink", "<mailto:ann@example.com>", "mailto:"],
  ["a reference", "[x][1]\n\n[1]: //evil.com/x", "evil.com"],
  ["a reference in a list", "- [1]: javascript:alert(1)", "javascript:"],
  ["an escaped colon", "[x](https\\://evil.com)", "evil.com"],
  ["a character reference", "[x](https&#58;//evil.com)", "unreadable: https&#58;//evil.com"],
  ["a named character reference", '<a href="https&colon;//evil.com">x</a>', "unreadable: https&colon;//evil.com"],
  ["an attribute without quotes", "<img src=//evil.com/x>", "evil.com"],
  ["an attribute in single quotes", "<img src = '//evil.com/x'>", "evil.com"],
  ["the second of a srcset", '<img srcset="/a.png 1x, //evil.com/b.png 2x">', "evil.com"],
  ["what no parser reads", "https://[::1/", "unreadable: https://[::1/"],
])("refuses %s", async (_what, text, place) => {
  const found = await check.find(text);
  expect(found).toMatchObject({ refused: expect.arrayContaining([place]) });
});

test("other schemes pass where they are listed", async () => {
  const lax = linksOnlyTo({ hosts: ["example.com"], schemes: ["https", "mailto"] });
  expect(await lax.find("[x](mailto:ann@evil.com) https://example.com")).toBeUndefined();
  expect(await lax.find("http://example.com")).toEqual({ refused: ["http:"] });
});

test("what is told of the refused is bounded", async () => {
  const many = Array.from({ length: 50 }, (_, index) => `https://evil${index}.com/${"x".repeat(1_000)}`).join(" ");
  expect(await check.find(many)).toEqual({ refused: ["evil0.com", "evil1.com", "evil2.com", "evil3.com", "evil4.com"] });
  expect(JSON.stringify(await check.find(`https://[${"x".repeat(10_000)}`)).length).toBeLessThan(300);
});

test.each(["https://example.com", "example.com/path", "example.com:8443", "", "*", "a b", "*.", "user@example.com"])(
  "%j is no host for the list",
  (host) => {
    expect(() => linksOnlyTo({ hosts: [host] })).toThrow("Expected a host");
  },
);

test.each([
  "a",
  "https://",
  "http:/",
  "](",
  "](<",
  "[",
  "[a]:",
  "[a\n",
  'href="',
  "href='",
  "href=",
  "href ",
  "www.",
  "<a:",
  "&#",
  "\\",
  " ",
  "> ",
  "\n[",
  "1. [",
])("a megabyte of %j is read in time that grows with its length only", async (part) => {
  const found = await check.find(part.repeat(1_000_000 / part.length));
  expect(JSON.stringify(found ?? {}).length).toBeLessThan(2_000);
});
