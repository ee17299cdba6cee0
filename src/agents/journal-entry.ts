/**
 * What one finished call looks like in the journal; its keys stand in `src/protocol/journal.ts`, but for `r:<frame>:<n>:<m>`, the m-th answer to
 * call n that was rejected. Call ids are rewritten and journaled with the answer, so a tool's key is as stable as the journal itself.
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type ModelRequest, type ModelResponse, Usage } from "@openai/agents";
import { z } from "zod";
import { jsonSchema } from "../protocol/json.ts";
import { callReceiptSchema } from "../protocol/receipt.ts";
import { receiptOf } from "./usage.ts";

const askedSchema = z.object({
  model: z.string(),
  instructions: z.int(),
  tools: z.int(),
  settings: z.int(),
  /** How many input items. Items are compared by the turn before, which knows up to where they were the same. */
  items: z.int(),
});
export type Asked = z.infer<typeof askedSchema>;

const modelEntrySchema = z.object({
  v: z.literal(1),
  /** Hash of the request; another one at the same place means that the code changed under the run. */
  fingerprint: z.string(),
  /** The hop's own turn in which it was asked, counted from 0. */
  turn: z.int().optional(),
  /** What was asked, in parts: names what differs when the code changed. */
  asked: askedSchema.optional(),
  /** Taken over from another run: it stands, whatever the code asks by now. */
  given: z.literal(true).optional(),
  response: z.object({
    usage: z.record(z.string(), z.unknown()),
    output: z.array(z.record(z.string(), z.unknown())),
    responseId: z.string().optional(),
    requestId: z.string().optional(),
    rawUsage: z.record(z.string(), z.unknown()).optional(),
  }),
  /** Who served the call, under which id and for how much; for reading. */
  receipt: callReceiptSchema.optional(),
});

const toolEntrySchema = z.object({
  v: z.literal(1),
  // JSON by construction: it was parsed from text a moment ago.
  output: z.unknown().optional(),
  turn: z.int().optional(),
  /** It did not run: the run's tools are switched off. */
  denied: z.literal(true).optional(),
  context: z.object({ set: z.record(z.string(), jsonSchema), removed: z.array(z.string()), order: z.int().optional() }).optional(),
});
export type ToolEntry = z.infer<typeof toolEntrySchema>;

/** An answer that its agent's output type refused, and why: what the next sample is told. */
const rejectionSchema = z.object({ v: z.literal(1), answer: z.string(), reason: z.string() });
export type Rejection = Omit<z.infer<typeof rejectionSchema>, "v">;

/** @param earlier how many answers of the hop were rejected before */
export const rejectionKey = (rejectedKey: string, earlier: number): string => `r:${rejectedKey.slice("m:".length)}:${earlier}`;

export const encodeRejection = ({ answer, reason }: Rejection): string => JSON.stringify({ v: 1, answer, reason });

/** What was rejected at one place of the journal, oldest first. */
export function rejectionsAt(entries: ReadonlyMap<string, string>, key: string): readonly Rejection[] {
  const prefix = rejectionKey(key, 0).slice(0, -1);
  return [...entries.keys()]
    .filter((candidate) => candidate.startsWith(prefix))
    .sort((a, b) => Number(a.slice(prefix.length)) - Number(b.slice(prefix.length)))
    .map((candidate) => rejectionSchema.parse(JSON.parse(entries.get(candidate) ?? "")));
}

export function encodeModelEntry(
  { fingerprint, asked }: { readonly fingerprint: string; readonly asked: Asked },
  turn: number,
  response: ModelResponse,
): string {
  // The provider's raw payload is dropped: the runner does not need it and it doubles the size.
  const { providerData: _raw, ...kept } = response;
  return JSON.stringify({ v: 1, fingerprint, asked, turn, response: kept, receipt: receiptOf(response) });
}

export function decodeModelEntry(text: string): { fingerprint: string; asked: Asked | undefined; given: boolean; response: ModelResponse } {
  const { fingerprint, asked, given = false, response } = modelEntrySchema.parse(JSON.parse(text));
  // `output` was an AgentOutputItem[] when this process or another wrote it; the SDK checks it no further on live answers either.
  return { fingerprint, asked, given, response: { ...response, usage: new Usage(response.usage) } as unknown as ModelResponse };
}

/** Takes any output; `decodeToolEntry` tells whether JSON carried it. */
export const encodeToolEntry = (entry: {
  readonly v: 1;
  readonly output?: unknown;
  readonly context?: unknown;
  readonly turn: number;
  readonly denied?: true;
}): string => JSON.stringify(entry, encodeBytes);
export const decodeToolEntry = (text: string): ToolEntry => toolEntrySchema.parse(JSON.parse(text));

/** Tools may answer with images as bytes; JSON cannot. */
function encodeBytes(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : value;
}

/** The tool's value as it was, bytes included. */
export function reviveBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reviveBytes);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === "$bytes" && typeof first[1] === "string")
    return new Uint8Array(Buffer.from(first[1], "base64"));
  return Object.fromEntries(entries.map(([key, inner]) => [key, reviveBytes(inner)]));
}

/** Short sums of a request's parts. They are only for words: native, because this runs for every call. */
export function askedOf(modelName: string, request: ModelRequest): Asked {
  const { retry: _retry, timeoutMs: _timeoutMs, ...settings } = request.modelSettings;
  const tools = [...request.tools, ...request.handoffs].map((tool) => JSON.stringify(tool)).sort();
  return {
    model: modelName,
    instructions: crc32(request.systemInstructions ?? ""),
    tools: crc32(tools.join("")),
    settings: crc32(JSON.stringify([settings, request.outputType, request.prompt])),
    items: typeof request.input === "string" ? 1 : request.input.length,
  };
}

/**
 * What differs between two requests at one place, without a word of either.
 * @param same how many input items the call before had, which were the same
 */
export function differenceOf(then: Asked | undefined, now: Asked, same: number): string {
  if (then === undefined) return "it was journaled by an older release, which did not note more";
  const parts = [
    ...(then.model === now.model ? [] : [`the model (${then.model}, now ${now.model})`]),
    ...(then.instructions === now.instructions ? [] : ["the instructions"]),
    ...(then.tools === now.tools ? [] : ["the tools or handoffs"]),
    ...(then.settings === now.settings ? [] : ["the settings or the output type"]),
    ...(then.items === now.items ? [] : [`the number of input items (${then.items}, now ${now.items})`]),
  ];
  return parts.length > 0 ? `different: ${parts.join(", ")}` : `different: an input item from number ${same + 1} to ${now.items}`;
}

/** Identity of a model call. Runtime-only settings (retries, time-outs) are no part of it; tool order is not either (MCP servers shuffle). */
export function fingerprintOf(modelName: string, request: ModelRequest): string {
  const { retry: _retry, timeoutMs: _timeoutMs, ...settings } = request.modelSettings;
  return sha256(
    canonicalJson({
      modelName,
      system: request.systemInstructions,
      input: request.input,
      previousResponseId: request.previousResponseId,
      conversationId: request.conversationId,
      settings,
      tools: request.tools.map(canonicalJson).sort(),
      handoffs: request.handoffs,
      outputType: request.outputType,
      prompt: request.prompt,
    }),
  );
}

export const sha256 = (text: string): string => hash("sha256", text).slice(0, 32);

/** JSON with sorted keys, without functions and undefined. Written out and without lists between: it runs over each request's whole history. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return scalar(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if ("toJSON" in value && typeof value.toJSON === "function") return canonicalJson(value.toJSON());
  // An object that is no array, by the lines above.
  const members = value as Readonly<Record<string, unknown>>;
  let text = "";
  for (const key of Object.keys(members).sort()) {
    const inner = members[key];
    if (inner === undefined || typeof inner === "function") continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(inner)}`;
  }
  return `{${text}}`;
}

const scalar = (value: unknown): string | undefined => (typeof value === "bigint" ? String(value) : JSON.stringify(value));
