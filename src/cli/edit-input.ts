/** The input of a replay: edited by a person, or read from a file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import type { RunInput } from "../producers/types.ts";
import { FleetError } from "../protocol/errors.ts";
import type { RunStore } from "../protocol/run-store.ts";
import type { CliContext } from "./context.ts";
import { readTextFile } from "./text-file.ts";

/** What `submit` makes of a text. */
const textItemsSchema = z.tuple([z.strictObject({ type: z.literal("message"), role: z.literal("user"), content: z.string() })]);
const itemsSchema = z.array(z.looseObject({}));

/**
 * Opens the run's input in a person's editor: as text where it is one, else as JSON.
 * @throws FleetError USAGE without an editor, when it ends with an error, or when what it left is not valid.
 */
export async function editInput(context: CliContext, store: RunStore, id: string): Promise<RunInput | undefined> {
  const editor = context.env["VISUAL"] ?? context.env["EDITOR"];
  if (editor === undefined || editor === "") {
    throw new FleetError("USAGE", "Expected an editor: neither VISUAL nor EDITOR is set.", { at: "--edit", remedy: "--input <file>" });
  }
  const reply = await store.snapshot(id, 0);
  // The replay itself says what is wrong.
  if (reply.status !== "found") return undefined;
  const items: unknown = reply.snapshot.itemsJson.flatMap((chunk) => itemsSchema.parse(JSON.parse(chunk)));
  const text = textItemsSchema.safeParse(items);
  const name = text.success ? "input.txt" : "input.json";
  const folder = await mkdtemp(path.join(tmpdir(), "flotilla-input-"));
  try {
    const file = path.join(folder, name);
    await writeFile(file, text.success ? text.data[0].content : JSON.stringify(items, null, 2), { mode: 0o600 });
    await openEditor(editor, file);
    return parseInput(name, await readTextFile(file, "edited input", { at: "--edit", remedy: "save it as UTF-8" }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws FleetError USAGE */
export async function readInputFile({ io }: CliContext, file: string): Promise<RunInput> {
  if (file === "-") return parseInput(file, (await io.readInput()) ?? "");
  return parseInput(file, await readTextFile(file, "input file", { at: "--input", remedy: "name a file of text, or of JSON" }));
}

/** An editor may be a command with arguments, such as `code --wait`: a shell takes it apart, as git does. */
async function openEditor(editor: string, file: string): Promise<void> {
  const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code === 0) return;
  throw new FleetError("USAGE", `The editor ended with ${String(code)}; nothing was started.`, { at: "--edit", remedy: "check EDITOR" });
}

function parseInput(name: string, text: string): RunInput {
  if (text.trim() === "") throw new FleetError("USAGE", "Expected an input; got nothing.", { at: name, remedy: "nothing was started" });
  if (!name.endsWith(".json")) return text.replace(/\n$/, "");
  try {
    return itemsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FleetError("USAGE", `Expected ${name} to hold a JSON array of input items.`, { at: name, remedy: "correct it", cause });
  }
}
