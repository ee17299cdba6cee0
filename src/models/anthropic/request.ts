/** One model call of the SDK as the body of a Messages call. */
import type { ModelRequest } from "@openai/agents";
import { FleetError } from "../../protocol/errors.ts";
import { field, isObject } from "../duck.ts";
import { toHistory, type Turn, type WireBlock } from "./history.ts";
import { toSupportedSchema } from "./schema.ts";

/** The API asks for a bound. Every model that is served takes this one; `modelSettings.maxTokens` sets another. */
export const DEFAULT_MAX_TOKENS = 32_000;

export type MessagesBody = Readonly<Record<string, unknown>>;

export function toMessagesBody(model: string, request: ModelRequest, stream: boolean): MessagesBody {
  const { modelSettings: settings, systemInstructions } = request;
  const { turns, system } = toHistory(request.input);
  const tools = toTools(request);
  const instructions = [systemInstructions ?? "", ...system].filter((text) => text.trim() !== "").join("\n\n");
  const cache = toCacheMark(settings);
  const format = toFormat(request);
  const effort = toEffort(settings.reasoning?.effort);
  // Whatever the API has and the SDK does not know, such as another form of thinking.
  const { output_config: ownConfig, thinking, ...own } = settings.providerData ?? {};
  const outputConfig = { ...effort.config, ...(format === undefined ? {} : { format }), ...(isObject(ownConfig) ? ownConfig : {}) };
  return {
    model,
    max_tokens: settings.maxTokens ?? DEFAULT_MAX_TOKENS,
    ...(instructions === "" ? {} : { system: [{ type: "text", text: instructions, cache_control: cache }] }),
    messages: tools.length === 0 ? turns : withCacheMark(turns, cache),
    ...toToolFields(request, tools, turns),
    ...(settings.temperature === undefined ? {} : { temperature: settings.temperature }),
    ...(settings.topP === undefined ? {} : { top_p: settings.topP }),
    ...effort.fields,
    ...(thinking === undefined || isRefused(thinking, turns) ? {} : { thinking }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    ...(stream ? { stream } : {}),
    ...own,
  };
}

/** The longest that Anthropic keeps a prompt is an hour. */
const toCacheMark = ({ promptCacheRetention }: ModelRequest["modelSettings"]): WireBlock =>
  promptCacheRetention === "24h" ? { type: "ephemeral", ttl: "1h" } : { type: "ephemeral" };

/** An agent with tools will very likely ask again with all of this in front; without, the mark would be paid for and not used. */
function withCacheMark(turns: readonly Turn[], cache: WireBlock): readonly Turn[] {
  const last = turns.at(-1);
  const block = last?.content.at(-1);
  if (last === undefined || block === undefined || block.type.endsWith("thinking")) return turns;
  return [...turns.slice(0, -1), { ...last, content: [...last.content.slice(0, -1), { ...block, cache_control: cache }] }];
}

function toTools({ tools, handoffs }: ModelRequest): readonly Readonly<Record<string, unknown>>[] {
  const functions = tools.map((tool) => {
    if (tool.type !== "function") {
      throw new FleetError("AGENT_INVALID", `Expected function tools for a Claude model; got the tool ${tool.name} of type ${tool.type}.`, {
        at: "agent.tools",
        remedy: "give the agent a function tool that does it, or a model of the provider that hosts the tool",
      });
    }
    return { name: tool.name, description: tool.description, input_schema: toInputSchema(tool.parameters) };
  });
  const transfers = handoffs.map(({ toolName, toolDescription, inputJsonSchema }) => ({
    name: toolName,
    description: toolDescription,
    input_schema: toInputSchema(inputJsonSchema),
  }));
  return [...functions, ...transfers];
}

function toInputSchema(schema: unknown): unknown {
  const { $schema: _dialect, ...rest } = isObject(schema) ? schema : {};
  return { ...rest, type: "object", properties: field(schema, "properties") ?? {} };
}

function toToolFields(request: ModelRequest, tools: readonly unknown[], turns: readonly Turn[]): Readonly<Record<string, unknown>> {
  if (tools.length > 0) {
    const choice = toToolChoice(request.modelSettings);
    return { tools, ...(choice === undefined ? {} : { tool_choice: choice }) };
  }
  // An agent without tools may have taken over from one that used them, and a call in the history must be of a known tool.
  const used = new Set(turns.flatMap(({ content }) => content.flatMap(({ type, name }) => (type === "tool_use" ? [name] : []))));
  if (used.size === 0) return {};
  return { tools: [...used].map((name) => ({ name, input_schema: { type: "object", properties: {} } })), tool_choice: { type: "none" } };
}

function toToolChoice({ toolChoice, parallelToolCalls }: ModelRequest["modelSettings"]): unknown {
  const parallel = parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: !parallelToolCalls };
  if (toolChoice === undefined || toolChoice === "auto") return parallelToolCalls === undefined ? undefined : { type: "auto", ...parallel };
  if (toolChoice === "none") return { type: "none" };
  return toolChoice === "required" ? { type: "any", ...parallel } : { type: "tool", name: toolChoice, ...parallel };
}

function toFormat({ outputType }: ModelRequest): unknown {
  if (outputType === "text" || outputType.type !== "json_schema") return undefined;
  return { type: "json_schema", schema: toSupportedSchema(outputType.schema) };
}

/**
 * With a budget for thinking, a turn that calls tools must begin with a thought. One that another provider's model began, before a handoff,
 * cannot: it is gone on with without thinking. Adaptive thinking knows no such rule.
 */
function isRefused(thinking: unknown, turns: readonly Turn[]): boolean {
  const begunAt = turns.findLastIndex(({ role, content }) => role === "user" && content.some(({ type }) => type !== "tool_result"));
  const first = turns.slice(begunAt + 1).find(({ role }) => role === "assistant")?.content ?? [];
  const isCalling = first.some(({ type }) => type === "tool_use") && first[0]?.type.endsWith("thinking") !== true;
  return field(thinking, "type") === "enabled" && isCalling;
}

interface Effort {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Adaptive thinking, as all models from 4.6 on have it. For an older one give `providerData: { thinking: { type: "enabled", … } }`. */
function toEffort(effort: string | null | undefined): Effort {
  if (effort === undefined || effort === null || effort === "none") return { fields: {}, config: {} };
  return { fields: { thinking: { type: "adaptive" } }, config: { effort: effort === "minimal" ? "low" : effort } };
}
