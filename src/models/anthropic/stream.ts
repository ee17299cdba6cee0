/** The events of a streamed Messages answer, read off the wire and put together again. */
import { errorOfType, MessagesApiError } from "./errors.ts";
import { readLines } from "./lines.ts";
import { type Block, type Delta, type Message, streamEventSchema, type WireEvent } from "./wire.ts";

/** Reads server-sent events. Events of kinds that are not known, pings among them, are left out. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<WireEvent> {
  for await (const line of readLines(body)) {
    if (!line.startsWith("data:")) continue;
    const event = parseEvent(line.slice("data:".length));
    if (event !== undefined) yield event;
  }
}

function parseEvent(text: string): WireEvent | undefined {
  try {
    return streamEventSchema.safeParse(JSON.parse(text)).data;
  } catch {
    throw new MessagesApiError("The stream holds an event that is not JSON.", { status: 502, type: "api_error" });
  }
}

/** Puts a streamed answer together. */
export class MessageBuilder {
  #message: Message | undefined;
  readonly #blocks = new Map<number, Block>();
  readonly #inputs = new Map<number, string>();
  #ended = false;

  /** Returns the text that the event adds to what the user sees. @throws MessagesApiError for an error event */
  add(event: WireEvent): string | undefined {
    switch (event.type) {
      case "message_start":
        this.#message = event.message;
        return undefined;
      case "content_block_start":
        if (event.content_block !== null) this.#blocks.set(event.index, event.content_block);
        return undefined;
      case "content_block_delta":
        return event.delta === null ? undefined : this.#extend(event.index, event.delta);
      case "content_block_stop":
        this.#close(event.index);
        return undefined;
      case "message_delta":
        if (this.#message !== undefined) {
          const { stop_reason } = event.delta;
          this.#message = { ...this.#message, stop_reason, usage: { ...this.#message.usage, ...told(event.usage) } };
        }
        return undefined;
      case "message_stop":
        this.#ended = true;
        return undefined;
      case "error":
        throw errorOfType(event.error.type ?? "api_error", event.error.message ?? "");
    }
  }

  #extend(index: number, delta: Delta): string | undefined {
    const block = this.#blocks.get(index);
    if (delta.type === "text_delta" && block?.type === "text") {
      this.#blocks.set(index, { ...block, text: block.text + delta.text });
      return delta.text;
    }
    if (delta.type === "thinking_delta" && block?.type === "thinking") {
      this.#blocks.set(index, { ...block, thinking: block.thinking + delta.thinking });
    }
    if (delta.type === "signature_delta" && block?.type === "thinking") {
      this.#blocks.set(index, { ...block, signature: delta.signature });
    }
    if (delta.type === "input_json_delta") this.#inputs.set(index, (this.#inputs.get(index) ?? "") + delta.partial_json);
    return undefined;
  }

  #close(index: number): void {
    const block = this.#blocks.get(index);
    const input = this.#inputs.get(index);
    if (block?.type === "tool_use" && input !== undefined && input !== "") this.#blocks.set(index, { ...block, input: parseInput(input) });
  }

  /** The whole answer; undefined when the stream ended before it did. */
  get message(): Message | undefined {
    if (!this.#ended || this.#message === undefined) return undefined;
    const content = [...this.#blocks.entries()].toSorted(([a], [b]) => a - b).map(([, block]) => block);
    return { ...this.#message, content };
  }
}

/** The last counts hold, but one that is missing takes nothing back. */
const told = (usage: Message["usage"] | undefined): Partial<Message["usage"]> =>
  Object.fromEntries(Object.entries(usage ?? {}).filter(([, count]) => count !== null && count !== undefined));

/** Cut off by the token limit, a call's input may be half of a JSON text; the answer is then rejected as truncated. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { input: text };
  }
}
