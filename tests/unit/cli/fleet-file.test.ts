import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findFleetFile, loadFleetFile } from "../../../src/cli/fleet-file.ts";

function fileWith(text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "flotilla-fleet-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "fleet.mjs");
  writeFileSync(file, text);
  return file;
}

test("a fleet file that throws is told with its place", async () => {
  const file = fileWith('export const a = 1;\nthrow new Error("no key");\n');
  await expect(loadFleetFile(file)).rejects.toMatchObject({
    code: "FLEET_FILE_INVALID",
    message: expect.stringContaining("no key"),
    at: expect.stringContaining("fleet.mjs"),
  });
});

test("a file without a fleet is told with what it exports", async () => {
  const file = fileWith("export const team = {};\nexport default 1;\n");
  await expect(loadFleetFile(file)).rejects.toMatchObject({
    code: "FLEET_FILE_INVALID",
    message: expect.stringContaining("default, team"),
    remedy: expect.stringContaining("createFleet"),
  });
});

test("a file that exports a fleet gives it", async () => {
  const file = fileWith("export const fleet = { worker: async () => undefined };\n");
  expect(await loadFleetFile(file)).toHaveProperty("worker");
});

test("without a named file the folder's own is found, or none", () => {
  const folder = path.dirname(fileWith(""));
  expect(findFleetFile(folder)).toBeUndefined();
  writeFileSync(path.join(folder, "fleet.ts"), "");
  expect(findFleetFile(folder)).toBe(path.join(folder, "fleet.ts"));
  expect(() => findFleetFile(folder, "other.ts")).toThrow(/other\.ts/);
  expect(() => findFleetFile(folder, ".")).toThrow(expect.objectContaining({ code: "FLEET_FILE_INVALID", at: "--fleet" }));
});
