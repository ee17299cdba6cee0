/** The state file of a project's own Redis: who started it and where it answers. One file, made and replaced in one step. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const serverStateSchema = z.object({
  /** The process that is starting the server, later the one that keeps it. */
  pid: z.int().positive(),
  /** The server's unix socket; absent while it starts. */
  path: z.string().optional(),
});
export type ServerState = z.infer<typeof serverStateSchema>;

const fileOf = (dataDir: string): string => join(dataDir, "server.json");

/** Undefined when there is none, or what is there is no state file. */
export function readState(dataDir: string): ServerState | undefined {
  let text: string;
  try {
    text = readFileSync(fileOf(dataDir), "utf8");
  } catch {
    return undefined;
  }
  const state = serverStateSchema.safeParse(parse(text)).data;
  // Ours are written in one step, so this one is not ours, and it must not lock the project out for ever.
  if (state === undefined) rmSync(fileOf(dataDir), { force: true });
  return state;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Takes the right to start the project's server. Undefined when another process was first. */
export function claim(dataDir: string): ServerState | undefined {
  const state: ServerState = { pid: process.pid };
  const draft = writeDraft(dataDir, state);
  try {
    // A link appears with its content in one step, and fails when the name is taken.
    linkSync(draft, fileOf(dataDir));
    return state;
  } catch {
    return undefined;
  } finally {
    rmSync(draft, { force: true });
  }
}

export function publish(dataDir: string, state: ServerState): void {
  renameSync(writeDraft(dataDir, state), fileOf(dataDir));
}

/** Removes the state file if it still says `state`. */
export function withdraw(dataDir: string, state: ServerState): void {
  const found = readState(dataDir);
  if (found?.pid === state.pid && found.path === state.path) rmSync(fileOf(dataDir), { force: true });
}

function writeDraft(dataDir: string, state: ServerState): string {
  const draft = `${fileOf(dataDir)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(state)}\n`, { mode: 0o600 });
  return draft;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
