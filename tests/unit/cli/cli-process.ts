/** The command line as a process, in an empty folder of its own, with nothing of this machine's settings. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly talk: string;
}

export interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when its talk holds these words; rejects when it ends without. */
  says(words: string): Promise<void>;
  /** Its talk so far. */
  talk(): string;
}

export interface CommandLine {
  readonly cwd: string;
  /** Writes a file into the folder and returns its name. */
  file(name: string, text: string | Uint8Array): string;
  start(args: readonly string[], input?: string | Uint8Array): Started;
  run(args: readonly string[], input?: string | Uint8Array): Promise<Ended>;
}

export function emptyFolder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "flotilla-user-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return made;
}

export function commandLine(env: Readonly<Record<string, string>>, cwd = emptyFolder()): CommandLine {
  const start = (args: readonly string[], input: string | Uint8Array = ""): Started => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd,
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let out = "";
    let talk = "";
    child.stdout.on("data", (data) => (out += String(data)));
    child.stderr.on("data", (data) => (talk += String(data)));
    // A command that reads no input may end before it is written.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, out, talk })));
    const says = (words: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => void (talk.includes(words) && resolve());
        child.stderr.on("data", look);
        look();
        void ended.then(() => reject(new Error(`ended without saying ${words}: ${talk}`)));
      });
    return { process: child, ended, says, talk: () => talk };
  };
  return {
    cwd,
    file(name, text) {
      writeFileSync(path.join(cwd, name), text);
      return name;
    },
    start,
    run: (args, input) => start(args, input).ended,
  };
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly at: string;
  readonly remedy: string;
}

/**
 * The one error that a command told, in either form. Throws when stdout is not clean, when the error is told more than once,
 * or when its place or remedy is missing.
 */
export function refusalOf({ out, talk }: Ended): Refusal {
  if (out !== "") throw new Error(`expected nothing on stdout; got ${out}`);
  const told = talk.includes('{"error":') ? refusalInJson(talk) : refusalInWords(talk);
  const times = talk.split(told.code).length - 1;
  if (times !== 1) throw new Error(`expected the error once; got it ${times} times: ${talk}`);
  return told;
}

function refusalInJson(talk: string): Refusal {
  const { code, message, at, remedy } = JSON.parse(talk).error;
  for (const part of [code, message, at, remedy])
    if (typeof part !== "string" || part === "") throw new Error(`a part is missing: ${talk}`);
  return { code, message, at, remedy };
}

function refusalInWords(talk: string): Refusal {
  const match = /^([A-Z][A-Z_]+) (.+)\n {2}at (.+)\n {2}try (.+)\n$/m.exec(talk);
  const [told = "", code = "", message = "", at = "", remedy = ""] = match ?? [];
  if (!talk.endsWith(told) || told === "") throw new Error(`expected code, text, place and remedy at the end; got ${talk}`);
  return { code, message, at, remedy };
}
