import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSealed, NO_KEYS, payloadCodec } from "../../../src/codec/payload-codec.ts";
import { isFleetError } from "../../../src/protocol/errors.ts";

const key = (): string => randomBytes(32).toString("base64");
const [k1, k2] = [key(), key()];
const old = payloadCodec({ keys: { k1 }, current: "k1" });
const rotated = payloadCodec({ keys: { k1, k2 }, current: "k2" });
const onlyNew = payloadCodec({ keys: { k2 }, current: "k2" });
const place = { runId: "r0-01jd3xk2v7w8y9z0a1b2c3d4e5", field: "items" };
const SECRET = "canary-51d0";

/** The error that `work` throws, as everything somebody could print of it. */
function refusal(work: () => unknown): { code: string; text: string } {
  try {
    work();
  } catch (error) {
    if (isFleetError(error)) return { code: error.code, text: `${error.describe()} ${error.stack} ${String(error.cause)}` };
    throw error;
  }
  throw new Error("expected a refusal");
}

describe("sealing", () => {
  test("any JSON comes back as it was, under any run and field", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), fc.string(), (value, runId, field) => {
        const text = JSON.stringify(value);
        const sealed = rotated.seal(text, { runId, field });
        expect(isSealed(sealed)).toBe(true);
        expect(rotated.open(sealed, { runId, field })).toBe(text);
      }),
    );
  });

  test("any text comes back, half surrogates aside, and the sealed one does not hold it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 8 }), (text) => {
        const sealed = rotated.seal(text, place);
        expect(rotated.open(sealed, place)).toBe(text);
        expect(sealed).not.toContain(text);
      }),
    );
  });

  test("the form is f1, key id, nonce, body; the same text is never sealed twice alike", () => {
    const [first, second] = [old.seal(SECRET, place), old.seal(SECRET, place)];
    expect(first).toMatch(/^f1\.k1\.[\w-]{16}\.[\w-]+$/);
    expect(first).not.toBe(second);
    expect(first?.split(".")[2]).not.toBe(second?.split(".")[2]);
  });

  test("a value that was moved to another run or field does not open", () => {
    const sealed = old.seal(SECRET, place);
    for (const elsewhere of [
      { ...place, runId: "r0-01jd3xk2v7w8y9z0a1b2c3d4e6" },
      { ...place, field: "context" },
    ]) {
      expect(refusal(() => old.open(sealed, elsewhere)).code).toBe("PAYLOAD_KEY_MISSING");
    }
    expect(old.open(sealed, { ...place })).toBe(SECRET);
  });

  test("a value of which any character was changed does not open", () => {
    const sealed = old.seal(SECRET, place);
    let refused = 0;
    for (let at = "f1.k1.".length; at < sealed.length; at += 1) {
      const changed = `${sealed.slice(0, at)}${sealed[at] === "A" ? "z" : "A"}${sealed.slice(at + 1)}`;
      // The dot between nonce and body is no letter; and the last letter holds bits that base64 does not use.
      if (!isSealed(changed) || bytesOf(changed) === bytesOf(sealed)) continue;
      expect(refusal(() => old.open(changed, place)).code).toBe("PAYLOAD_KEY_MISSING");
      refused += 1;
    }
    expect(refused).toBeGreaterThan(sealed.length - "f1.k1.".length - 4);
  });

  test("a value cut short does not open", () => {
    const sealed = old.seal(SECRET, place);
    expect(refusal(() => old.open(sealed.slice(0, -4), place)).code).toBe("PAYLOAD_KEY_MISSING");
  });
});

const bytesOf = (sealed: string): string =>
  sealed
    .split(".")
    .slice(2)
    .map((part) => Buffer.from(part, "base64url").toString("hex"))
    .join(".");

describe("rotation", () => {
  test("what the old key sealed opens as long as it is listed, and new values carry the new id", () => {
    expect(rotated.open(old.seal(SECRET, place), place)).toBe(SECRET);
    expect(rotated.seal(SECRET, place)).toMatch(/^f1\.k2\./);
    expect(onlyNew.open(rotated.seal(SECRET, place), place)).toBe(SECRET);
  });

  test("a missing key is named, and neither content nor key bytes are", () => {
    const sealed = old.seal(SECRET, place);
    const { code, text } = refusal(() => onlyNew.open(sealed, place));
    expect(code).toBe("PAYLOAD_KEY_MISSING");
    expect(text).toContain("key k1");
    for (const hidden of [SECRET, k1, k2, sealed.slice(8)]) expect(text).not.toContain(hidden);
  });

  test("another key under the same id is told, too", () => {
    const { code, text } = refusal(() => payloadCodec({ keys: { k1: k2 }, current: "k1" }).open(old.seal(SECRET, place), place));
    expect(code).toBe("PAYLOAD_KEY_MISSING");
    expect(text).toContain("under key k1");
  });

  test("the hash of an input depends on key and tenant, and older keys are found behind the present one", () => {
    const [now, ...before] = rotated.inputHashes("acme", "abc");
    expect(before).toEqual([old.inputHashes("acme", "abc")[0], "abc"]);
    expect(new Set([now, ...before, ...rotated.inputHashes("other", "abc").slice(0, 2)]).size).toBe(5);
    expect(payloadCodec({ keys: { k1 }, current: "k1", requireSealed: true }).inputHashes("acme", "abc")).not.toContain("abc");
  });
});

describe("values that are not sealed", () => {
  test("are read, unless sealing is required", () => {
    expect(old.open('{"a":1}', place)).toBe('{"a":1}');
    const strict = payloadCodec({ keys: { k1 }, current: "k1", requireSealed: true });
    const { code, text } = refusal(() => strict.open(SECRET, place));
    expect(code).toBe("PAYLOAD_NOT_SEALED");
    expect(text).not.toContain(SECRET);
    expect(strict.open(old.seal(SECRET, place), place)).toBe(SECRET);
  });

  test("a fleet without keys leaves text alone and refuses what is sealed, naming the key", () => {
    expect(NO_KEYS.open(NO_KEYS.seal(SECRET, place), place)).toBe(SECRET);
    expect(refusal(() => NO_KEYS.open(old.seal(SECRET, place), place))).toMatchObject({ code: "PAYLOAD_KEY_MISSING" });
  });
});

describe("options", () => {
  const cases: readonly (readonly [string, Parameters<typeof payloadCodec>[0]])[] = [
    ["a key of another length", { keys: { k1: randomBytes(16).toString("base64") }, current: "k1" }],
    ["a key that is no base64", { keys: { k1: `${k1.slice(0, 20)} !${k1.slice(22)}` }, current: "k1" }],
    ["a current key that is not listed", { keys: { k1 }, current: "k9" }],
    ["an id with a dot", { keys: { "k.1": k1 }, current: "k.1" }],
    ["no keys", { keys: {}, current: "k1" }],
  ];
  test.each(cases)("%s is refused without its bytes", (_name, options) => {
    const { code, text } = refusal(() => payloadCodec(options));
    expect(code).toBe("INPUT_INVALID");
    for (const bytes of Object.values(options.keys)) expect(text).not.toContain(bytes);
  });

  test("base64url is understood", () => {
    const url = Buffer.from(k1, "base64").toString("base64url");
    expect(payloadCodec({ keys: { k1: url }, current: "k1" }).open(old.seal(SECRET, place), place)).toBe(SECRET);
  });
});
