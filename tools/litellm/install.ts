/**
 * Installs the LiteLLM proxy that the tests start: the exact packages of requirements.txt, by hash, into a folder of this machine's cache.
 * Done once for each content of that file. Usage: node tools/litellm/install.ts
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);
const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));

/** Newest first. LiteLLM's dependencies have no builds for later ones yet. */
const PYTHONS = ["python3.13", "python3.12", "python3.11", "python3"];
const USABLE = "import sys, venv, ensurepip; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else 1)";

const folder = (): string => {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const lock = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12);
  return join(cache, "flotilla", `litellm-${lock}`);
};
const markOf = (at: string): string => join(at, "installed");

/** The proxy's program; undefined where it is not installed. */
export function liteLlmProgram(): string | undefined {
  const at = folder();
  return existsSync(markOf(at)) ? join(at, "bin", "litellm") : undefined;
}

async function install(): Promise<string> {
  const known = liteLlmProgram();
  if (known !== undefined) return known;
  const python = await findPython();
  const at = folder();
  // Half of an installation is none: the mark is written last.
  await rm(at, { recursive: true, force: true });
  await mkdir(dirname(at), { recursive: true });
  await execute(python, ["-m", "venv", at]);
  // The lock is whole, so nothing is resolved; `--require-hashes` refuses a package that is not the one that was locked.
  const flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes"];
  await execute(join(at, "bin", "python"), ["-m", "pip", "install", ...flags, "-r", requirements]);
  await writeFile(markOf(at), "");
  return join(at, "bin", "litellm");
}

async function findPython(): Promise<string> {
  for (const python of PYTHONS) {
    const usable = await execute(python, ["-c", USABLE]).then(
      () => true,
      () => false,
    );
    if (usable) return python;
  }
  throw new Error("needs Python 3.11 to 3.13 with its venv module");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await install());
  } catch (error) {
    // pip says what went wrong on its last line.
    console.error(error instanceof Error ? error.message.trim().split("\n").at(-1) : error);
    process.exitCode = 1;
  }
}
