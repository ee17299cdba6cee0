/** The lines of a body, one by one. */
import { MessagesApiError } from "./errors.ts";

/** The longest answers of today fit in some ten times. */
const MAX_LINE_CHARS = 32 * 1024 * 1024;

/** Yields lines as they come; the last one even if nothing ends it. @throws MessagesApiError for one that does not end */
export async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  // Reason for the cast: the DOM's and Node's types of a decoder's input differ by the kind of buffer, which neither end cares about.
  const decoder = new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>;
  for await (const chunk of body.pipeThrough(decoder)) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    yield* lines;
    if (rest.length > MAX_LINE_CHARS) throw new MessagesApiError("The provider sends a line without an end.", { status: 502 });
  }
  if (rest !== "") yield rest;
}
