import { expect, test } from "vitest";
import { createSealedFleet } from "../../../examples/encryption/fleet.ts";
import { newKey } from "../../support/sealed-store.ts";

test("the quoted fleet takes two keys, seals with the newer one and keeps failed runs longer", () => {
  const { options } = createSealedFleet({ payloadKey2025: newKey(), payloadKey2026: newKey() });
  expect(options.codec?.seal("text", { runId: "r", field: "f" })).toMatch(/^f1\.k2026\./);
  expect(options.retention?.failedMs).toBeGreaterThan(options.retention?.completedMs ?? 0);
  expect(() => createSealedFleet({ payloadKey2025: newKey(), payloadKey2026: "short" })).toThrow(
    expect.objectContaining({ code: "INPUT_INVALID", at: "codec.keys.k2026" }),
  );
});
