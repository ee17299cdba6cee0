/**
 * Answers of agents with an `outputType`: the one JSON object in a text that has more than it, and what is wrong with an answer that the
 * type refused, in words for the model.
 */
import type { ModelRequest, ModelResponse } from "@openai/agents";
import { cut, LIMITS } from "../protocol/limits.ts";
import type { AnyAgent } from "./catalog.ts";

type Output = ModelResponse["output"];

/**
 * Models fence their JSON or put a sentence around it, though they were given a schema. Where the answer holds exactly one JSON object, that
 * object is the answer; where it holds two, nobody knows which one was meant, and the answer stays as it is.
 */
export function withSoleJson(output: Output, outputType: ModelRequest["outputType"]): Output {
  if (outputType === "text" || output.some(({ type }) => type !== "message" && type !== "reasoning")) return output;
  const messages = output.filter(isAssistantMessage);
  const [message] = messages;
  if (message === undefined || messages.length > 1) return output;
  const first = message.content.find((part) => part.type === "output_text");
  const text = message.content.map((part) => (part.type === "output_text" ? part.text : "")).join("");
  const sole = first === undefined || isJson(text) ? undefined : soleJsonObject(text);
  if (first === undefined || sole === undefined) return output;
  return output.map((item) => (item === message ? { ...message, content: [{ ...first, text: sole }] } : item));
}

type Item = Output[number];
const isAssistantMessage = (item: Item): item is Extract<Item, { role: "assistant" }> =>
  item.type === "message" && "role" in item && item.role === "assistant";

/** The text of the only JSON object in `text`, preferring what stands in a fence. Takes time linear in the text. */
export function soleJsonObject(text: string): string | undefined {
  const fenced = fencesIn(text).filter(isJsonObject);
  const found = fenced.length > 0 ? fenced : bracedIn(text).filter(isJsonObject);
  return found.length === 1 ? found[0] : undefined;
}

const isJson = (text: string): boolean => parsed(text) !== undefined;
const isJsonObject = (text: string): boolean => {
  if (!text.startsWith("{")) return false;
  const value = parsed(text)?.value;
  return typeof value === "object" && value !== null && !Array.isArray(value);
};

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** A fence stands on a line of its own, which no JSON text can hold within a string. */
function fencesIn(text: string): string[] {
  const blocks: string[] = [];
  let open: string[] | undefined;
  for (const line of text.split("\n")) {
    if (!line.trimStart().startsWith("```")) {
      open?.push(line);
    } else if (open === undefined) {
      open = [];
    } else {
      blocks.push(open.join("\n").trim());
      open = undefined;
    }
  }
  return blocks;
}

/** Outermost spans of balanced braces. Quotes count only within braces: prose is full of them. */
function bracedIn(text: string): string[] {
  const spans: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (quoted) {
      if (char === "\\") at += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') {
      quoted = depth > 0;
    } else if (char === "{") {
      if (depth === 0) start = at;
      depth += 1;
    } else if (char === "}" && depth > 0) {
      depth -= 1;
      if (depth === 0) spans.push(text.slice(start, at + 1));
    }
  }
  return spans;
}

const MAX_ISSUES = 5;
const UNSAID = "It does not have the expected form.";

/** What the agent's output type says of an answer it refused. Names places and expectations, never what stood there. */
export function whyRefused(agent: AnyAgent, text: string): string {
  if (agent.outputType === "text") return UNSAID;
  if (text.trim() === "") return "It was empty.";
  if (!isJson(text)) return "It is not one JSON object.";
  try {
    agent.processFinalOutput(text);
    return UNSAID;
  } catch (error) {
    return cut(issuesOf(error).join(" ") || UNSAID, LIMITS.errorChars / 2);
  }
}

function issuesOf(error: unknown): string[] {
  // Zod's errors and those of other standard schemas: duck-typed, for there may be several copies of Zod.
  const issues = typeof error === "object" && error !== null && "issues" in error && Array.isArray(error.issues) ? error.issues : [];
  return issues.slice(0, MAX_ISSUES).flatMap((issue: unknown) => {
    if (typeof issue !== "object" || issue === null || !("message" in issue)) return [];
    const path = "path" in issue && Array.isArray(issue.path) ? issue.path.map(String).join(".") : "";
    return [`At ${path === "" ? "the top" : path}: ${String(issue.message)}.`];
  });
}
