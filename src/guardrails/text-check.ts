/**
 * A check looks at a text and says what it found, or nothing. Where it stands is another question, answered by `guardInput` and its
 * neighbours, so that each check can guard an input, an output and a tool's call.
 */
import type {
  AgentInputItem,
  InputGuardrail,
  OutputGuardrail,
  ToolInputGuardrailDefinition,
  ToolOutputGuardrailDefinition,
} from "@openai/agents";
import type { Json } from "../protocol/json.ts";

export interface TextCheck {
  /** The guardrail's name, which a blocked run says. */
  readonly name: string;
  /** What it found, which trips the guardrail and is stored with the run: never the value that must not be there. Undefined: all is well. */
  readonly find: (text: string) => Json | undefined | Promise<Json | undefined>;
}

/** Guards what a user wrote: the text of the user's messages. */
export function guardInput(check: TextCheck, { runInParallel = false }: { readonly runInParallel?: boolean } = {}): InputGuardrail {
  return { name: check.name, runInParallel, execute: async ({ input }) => verdictOf(await check.find(textOfInput(input))) };
}

/** Guards what the agent puts out: its text, or all texts and numbers in its structured output. Fits agents of every output type. */
// oxlint-disable-next-line typescript/no-explicit-any -- the SDK's type for an output guardrail of any agent
export function guardOutput(check: TextCheck): OutputGuardrail<any> {
  return { name: check.name, execute: async ({ agentOutput }) => verdictOf(await check.find(textOfValue(agentOutput))) };
}

export interface ToolCheckOptions {
  /** `reject`: the model reads a refusal instead. `block`: the run ends as blocked. Default `reject`. */
  readonly onFound?: "reject" | "block";
}

/** Guards the arguments with which a tool is called, before it runs. */
export function guardToolInput(check: TextCheck, options: ToolCheckOptions = {}): ToolInputGuardrailDefinition {
  const refusal = `The call was refused by the check ${check.name}.`;
  return {
    type: "tool_input",
    name: check.name,
    run: async ({ toolCall }) => behaviorOf(await check.find(textOfArguments(toolCall.arguments)), refusal, options),
  };
}

/** Guards what a tool returned, before the model reads it. */
export function guardToolOutput(check: TextCheck, options: ToolCheckOptions = {}): ToolOutputGuardrailDefinition {
  const refusal = `The result was withheld by the check ${check.name}.`;
  return {
    type: "tool_output",
    name: check.name,
    run: async ({ output }) => behaviorOf(await check.find(textOfValue(output)), refusal, options),
  };
}

const verdictOf = (found: Json | undefined) => ({ tripwireTriggered: found !== undefined, outputInfo: found });

function behaviorOf(found: Json | undefined, message: string, { onFound = "reject" }: ToolCheckOptions) {
  if (found === undefined) return { behavior: { type: "allow" as const } };
  const behavior = onFound === "block" ? { type: "throwException" as const } : { type: "rejectContent" as const, message };
  return { behavior, outputInfo: found };
}

/** What the user wrote; an agent's own words and a tool's results are guarded where they arise. */
function textOfInput(input: string | readonly AgentInputItem[]): string {
  if (typeof input === "string") return input;
  return input
    .flatMap((item) => ("role" in item && item.role === "user" ? [item.content] : []))
    .flatMap((content) => (typeof content === "string" ? [content] : content.map((part) => ("text" in part ? part.text : ""))))
    .join("\n");
}

/** All strings, numbers and names of members in a value, one to a line. */
export function textOfValue(value: unknown): string {
  const texts: string[] = [];
  const waiting: unknown[] = [value];
  const seen = new Set<unknown>();
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === "string") texts.push(next);
    else if (typeof next === "number" || typeof next === "bigint") texts.push(String(next));
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    for (const [name, member] of Object.entries(next).toReversed()) {
      waiting.push(member);
      if (!Array.isArray(next)) waiting.push(name);
    }
  }
  return texts.join("\n");
}

function textOfArguments(json: string): string {
  try {
    return textOfValue(JSON.parse(json));
  } catch {
    return json;
  }
}
