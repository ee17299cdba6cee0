/** The SDK's items as the turns of the Messages API. Items of other providers, such as their sealed reasoning, are left out. */
import type { AgentInputItem, ModelRequest } from "@openai/agents";
import { FleetError } from "../../protocol/errors.ts";
import { field, isObject, textField } from "../duck.ts";

export type WireBlock = { readonly type: string; readonly [name: string]: unknown };
export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: WireBlock[];
}
export interface History {
  readonly turns: readonly Turn[];
  /** What stands in the transcript as a system message; the API knows one place for it only. */
  readonly system: readonly string[];
}

export function toHistory(input: ModelRequest["input"]): History {
  const turns: Turn[] = [];
  const system: string[] = [];
  const items: readonly AgentInputItem[] = typeof input === "string" ? [{ role: "user", content: input }] : input;
  for (const item of items) {
    if ("role" in item && item.role === "system") {
      system.push(item.content);
      continue;
    }
    const said = toBlocks(item);
    if (said === undefined || said.content.length === 0) continue;
    const last = turns.at(-1);
    // The API wants the roles to take turns, a call's result in the very next message, and thinking at the head of its own.
    if (last?.role === said.role) last.content.push(...said.content);
    else turns.push({ role: said.role, content: [...said.content] });
  }
  return { turns, system };
}

function toBlocks(item: AgentInputItem): Turn | undefined {
  if ("role" in item && item.role === "user") return { role: "user", content: toContent(item.content) };
  if ("role" in item && item.role === "assistant") return { role: "assistant", content: toContent(item.content) };
  if (item.type === "reasoning") {
    const block = field(item.providerData, "anthropic");
    return isWireBlock(block) ? { role: "assistant", content: [block] } : undefined;
  }
  if (item.type === "function_call") {
    return { role: "assistant", content: [{ type: "tool_use", id: item.callId, name: item.name, input: toInput(item.arguments) }] };
  }
  if (item.type !== "function_call_result") return undefined;
  const output: unknown = item.output;
  const content = typeof output === "string" ? output : toContent(Array.isArray(output) ? output : [output]);
  // Anthropic refuses empty text, and a tool may well have nothing to say.
  const result = content.length === 0 ? {} : { content };
  return { role: "user", content: [{ type: "tool_result", tool_use_id: item.callId, ...result }] };
}

const isWireBlock = (value: unknown): value is WireBlock => isObject(value) && typeof value["type"] === "string";

/** A model's arguments may not be JSON at all; they were answered with an error, and the turn must still be told. */
function toInput(text: string): unknown {
  try {
    const input: unknown = JSON.parse(text);
    return isObject(input) && !Array.isArray(input) ? input : { input };
  } catch {
    return { input: text };
  }
}

function toContent(content: unknown): WireBlock[] {
  if (typeof content === "string") return content.trim() === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: unknown): WireBlock[] => {
    const text = textField(part, "text") ?? textField(part, "refusal");
    if (text !== undefined) return text.trim() === "" ? [] : [{ type: "text", text }];
    const type = textField(part, "type") ?? "";
    if (type === "input_image" || type === "image") return [{ type: "image", source: toSource(field(part, "image"), "image") }];
    if (type === "input_file" || type === "file") return [{ type: "document", source: toSource(field(part, "file"), "file") }];
    if (type === "input_text" || type === "output_text" || type === "text" || type === "refusal") return [];
    throw unsendable(`a content part of type ${JSON.stringify(type)}`);
  });
}

function toSource(given: unknown, what: string): WireBlock {
  const url = typeof given === "string" ? given : (textField(given, "url") ?? dataUrlOf(given));
  const [, mediaType, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url ?? "") ?? [];
  if (mediaType !== undefined && data !== undefined) return { type: "base64", media_type: mediaType, data };
  if (url !== undefined && /^https?:\/\//.test(url)) return { type: "url", url };
  throw unsendable(`${what === "image" ? "an image" : "a file"} that is neither a data URL nor an http address`);
}

function dataUrlOf(given: unknown): string | undefined {
  const mediaType = textField(given, "mediaType");
  const data = field(given, "data");
  if (mediaType === undefined) return undefined;
  if (typeof data === "string") return `data:${mediaType};base64,${data}`;
  return data instanceof Uint8Array ? `data:${mediaType};base64,${Buffer.from(data).toString("base64")}` : undefined;
}

const unsendable = (what: string): FleetError =>
  new FleetError("AGENT_INVALID", `Expected input that the Messages API takes; got ${what}.`, {
    at: "input",
    remedy: "send text, images and PDF files, as data URLs or http addresses",
  });
