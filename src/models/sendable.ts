/**
 * What was said so far, as the API that is asked next takes it. One provider's ids, thinking and extra fields are refused by the next, and
 * some even by the one that gave them; the words, the calls and their results are everybody's.
 *
 * Anthropic's API has a form of its own for all of it (anthropic/history.ts).
 */
import type { AgentInputItem } from "@openai/agents";
import { field, textField } from "./duck.ts";
import type { Route } from "./routes.ts";

/**
 * @param inherited so many of the first items were there before the agent's hop: who said them is not known, and it may have been another
 *   model of the same provider, whose thinking this one would refuse
 */
export function toSendable(
  input: readonly AgentInputItem[],
  { api, name }: Pick<Route, "api" | "name">,
  inherited: number,
): readonly AgentInputItem[] {
  if (api === "messages") return input;
  const isGemini = /gemini/i.test(name);
  return api === "chat"
    ? input.flatMap((item, index) => toChatItem(item, { isInherited: index < inherited, isGemini }) ?? [])
    : toResponsesItems(input.map((item, index) => ({ item, isOwn: index >= inherited && isOfResponses(item) })));
}

/** OpenAI's ids tell the type; ids of other providers are refused for their form. */
const ID_OF: Readonly<Record<string, RegExp>> = { message: /^msg_/, function_call: /^fc_/, reasoning: /^rs_/ };

const isOfResponses = (item: AgentInputItem): boolean => ID_OF[item.type ?? "message"]?.test(textField(item, "id") ?? "") === true;

/**
 * An item that followed thinking goes back with its id or not at all, and thinking only in front of what it led to. A hosted call cannot go
 * without its id, and so not without the thinking in front of it.
 */
function toResponsesItems(said: readonly { readonly item: AgentInputItem; readonly isOwn: boolean }[]): AgentInputItem[] {
  let thinking: "none" | "sent" | "gone" = "none";
  return said.flatMap(({ item, isOwn }): AgentInputItem[] => {
    if (item.type === "reasoning") {
      thinking = isOwn ? "sent" : "gone";
      return isOwn ? [item] : [];
    }
    if (item.type === "hosted_tool_call") return thinking === "gone" ? [] : [item];
    if (!isGenerated(item)) {
      thinking = "none";
      return [item];
    }
    if (!isOwn) return [plain(item)];
    const { id: _id, ...rest } = item;
    return [thinking === "sent" ? item : rest];
  });
}

type Generated = Extract<AgentInputItem, { role: "assistant" } | { type: "function_call" }>;

const isGenerated = (item: AgentInputItem): item is Generated =>
  item.type === "function_call" || ("role" in item && item.role === "assistant");

interface ChatPlace {
  readonly isInherited: boolean;
  /** Whether a model of Google's is asked. */
  readonly isGemini: boolean;
}

/** Undefined for what Chat Completions has no words for, which is all but words, functions and open thinking: the SDK throws at the rest. */
function toChatItem(item: AgentInputItem, { isInherited, isGemini }: ChatPlace): AgentInputItem | undefined {
  if (item.type === "reasoning") {
    // Its own has no id, and stands open; what another sealed does not.
    const isOwn = !isInherited && item.id === undefined && field(item.providerData, "anthropic") === undefined;
    return isOwn && (item.rawContent?.length ?? 0) > 0 ? item : undefined;
  }
  if (item.type === "function_call") {
    const { namespace: _namespace, caller: _caller, ...call } = item;
    // A call's extra fields are asked back by those that give them.
    if (!isInherited && !isOfResponses(item)) return call;
    return { ...plain(call), ...(isGemini ? signatureOf(call.providerData) : {}) };
  }
  if (item.type === "function_call_result") {
    const { namespace: _namespace, caller: _caller, ...result } = item;
    return result;
  }
  if (!("role" in item)) return undefined;
  if (!isGenerated(item)) return item;
  const { phase: _phase, ...rest } = plain(item);
  return rest;
}

/** Gemini signs its calls, and refuses a history where a signature is missing, also one that another Gemini gave. */
function signatureOf(data: unknown): { readonly providerData?: Record<string, unknown> } {
  const extra = field(data, "extra_content");
  return textField(field(extra, "google"), "thought_signature") === undefined ? {} : { providerData: { extra_content: extra } };
}

function plain(item: Generated): Generated & { readonly phase?: unknown } {
  const { id: _id, providerData: _data, ...rest } = item;
  if (rest.type === "function_call") return rest;
  return { ...rest, content: rest.content.map(({ providerData: _partData, ...part }) => part) };
}
