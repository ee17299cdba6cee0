/** Files and standard input as text. What is not UTF-8 is refused: decoded all the same, it would reach a model as rubbish. */
import { readFile } from "node:fs/promises";
import { FleetError } from "../protocol/errors.ts";

export interface TextPlace {
  /** Where the text was named, such as an option. */
  readonly at: string;
  readonly remedy: string;
}

/** @throws FleetError USAGE when the file cannot be read, or holds something else than text. */
export async function readTextFile(file: string, what: string, place: TextPlace): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new FleetError("USAGE", `The ${what} ${file} could not be read.`, { ...place, cause });
  }
  return decodeText(bytes, `the ${what} ${file}`, place);
}

/** @throws FleetError USAGE when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array, what: string, place: TextPlace): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FleetError("USAGE", `Expected ${what} to be UTF-8 text; got other bytes.`, { ...place, cause });
  }
}
