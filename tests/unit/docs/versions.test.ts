/** The example of docs/how-to/versions.md does what the page says. */
import { expect, test } from "vitest";
import { createVersionedFleet } from "../../../examples/versions/fleet.ts";

test("docs/how-to/versions.md: both agents bear the deploy's id, and one of them ends with its version", () => {
  const { catalog } = createVersionedFleet("4f2a9c1");
  expect([...catalog.values()].map(({ name, version, onVersionChange }) => `${name} ${version} ${onVersionChange}`)).toEqual([
    "triage 4f2a9c1 continue",
    "refunds 4f2a9c1 fail",
  ]);
});
