/** The user's own copies of the Agents SDK and zod are used; a version that the seams were not made for is refused at start. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { FleetError } from "./protocol/errors.ts";

/** By package: the start of the versions that are supported. */
export const SUPPORTED_PEERS = { "@openai/agents": "0.20.", "@openai/agents-core": "0.20.", zod: "4." } as const;

const manifestSchema = z.object({ name: z.string(), version: z.string() });

/** @throws FleetError PEER_MISMATCH */
export function checkPeers(versionOf: (name: string) => string | undefined = installedVersion): void {
  for (const [name, supported] of Object.entries(SUPPORTED_PEERS)) {
    const version = versionOf(name);
    // Undefined: bundled, so that nothing can be told.
    if (version === undefined || version.startsWith(supported)) continue;
    throw new FleetError("PEER_MISMATCH", `Expected ${name} ${supported}x; got ${version}.`, {
      at: name,
      remedy: `npm install ${name}@${supported}x`,
    });
  }
}

function installedVersion(name: string): string | undefined {
  try {
    let folder = new URL(".", import.meta.resolve(name));
    for (;;) {
      const manifest = manifestSchema.safeParse(readJson(new URL("package.json", folder)));
      if (manifest.success && manifest.data.name === name) return manifest.data.version;
      const parent = new URL("..", folder);
      if (parent.href === folder.href) return undefined;
      folder = parent;
    }
  } catch {
    return undefined;
  }
}

function readJson(file: URL): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
