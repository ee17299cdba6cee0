import { describe, expect, test } from "vitest";
import { parsePayloadKeys } from "../../../src/codec/payload-keys.ts";
import { readSettings } from "../../../src/cli/settings.ts";
import { newKey } from "../../support/sealed-store.ts";

const [k1, k2] = [newKey(), newKey()];
const place = { runId: "r", field: "f" };

test("the first key is the current one, all of them are listed", () => {
  expect(parsePayloadKeys(`k2:${k2}, k1:${k1}`)).toEqual({ keys: { k1, k2 }, current: "k2" });
});

describe("FLOTILLA_PAYLOAD_KEYS", () => {
  test("makes the codec of the command line, and nothing makes none", () => {
    const { codec } = readSettings({ FLOTILLA_PAYLOAD_KEYS: `k2:${k2},k1:${k1}` });
    const older = readSettings({ FLOTILLA_PAYLOAD_KEYS: `k1:${k1}` }).codec;
    expect(codec?.open(older?.seal("text", place) ?? "", place)).toBe("text");
    expect(codec?.seal("text", place)).toMatch(/^f1\.k2\./);
    expect(readSettings({}).codec).toBeUndefined();
    expect(readSettings({ FLOTILLA_PAYLOAD_KEYS: "" }).codec).toBeUndefined();
  });

  test.each([k1, `k1:${k1},`, `k1:${k1},k1:${k2}`, `k1:${k1}:${k2}`, `k1:${k1.slice(4)}`, `${k1}:k1`, `:${k1}`])(
    "%# a wrong one is refused by name, without its text",
    (text) => {
      const refusal = (() => {
        try {
          readSettings({ FLOTILLA_PAYLOAD_KEYS: text });
        } catch (error) {
          return error;
        }
        return undefined;
      })();
      expect(refusal).toMatchObject({ code: "INPUT_INVALID", at: "FLOTILLA_PAYLOAD_KEYS" });
      for (const key of [k1, k2]) expect(String(refusal)).not.toContain(key.slice(4));
      expect(String(refusal)).toMatch(/[^.]\.$/);
    },
  );
});
