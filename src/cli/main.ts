#!/usr/bin/env node
/**
 * The process edge: the only file that reads the environment and ends the process. Everything is loaded by `import()` behind the guard,
 * because an older Node stops at the first file that it cannot read.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = [22, 18] as const;

const LINGER_MS = 500;

const here = fileURLToPath(import.meta.url);
const argv = process.argv.slice(2);
process.exitCode = isOldNode() ? runWithNewerNode() : await runHere();
// A user's code may leave a connection open; the work is done, so it does not hold the process. Unheard where nothing is open.
setTimeout(() => process.exit(), LINGER_MS).unref();

async function runHere(): Promise<number> {
  const { startCli } = await import("./start.ts");
  return startCli({ argv, process, self: [process.execPath, ...process.execArgv, here] });
}

function isOldNode(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
}

/** A project may bring a newer Node as a package: then that one runs the command line. */
function runWithNewerNode(): number {
  const guard = "FLOTILLA_NODE_CHECKED";
  const node = [process.cwd(), path.dirname(here)].map(findNode).find((found) => found !== undefined);
  if (node === undefined || process.env[guard] !== undefined) {
    process.stderr.write(
      `flotilla needs Node ${OLDEST_NODE.join(".")} or newer; this is ${process.versions.node}. Install Node 24 and try again.\n`,
    );
    return 2;
  }
  const { status } = spawnSync(node, [here, ...argv], { stdio: "inherit", env: { ...process.env, [guard]: "1" } });
  return status ?? 1;
}

function findNode(from: string): string | undefined {
  const candidate = path.join(from, "node_modules", ".bin", "node");
  if (existsSync(candidate)) return candidate;
  const parent = path.dirname(from);
  return parent === from ? undefined : findNode(parent);
}
