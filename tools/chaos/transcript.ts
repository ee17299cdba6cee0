/** What a model is shown and what a conversation keeps, as lines that can be compared: who said what, which tool answered what. */
import { z } from "zod";
import { inputOf, type Job, expectedOutput, TOOLS, toldResult, toolResults } from "./jobs.ts";

const textSchema = z.union([
  z.string(),
  z.array(z.looseObject({ text: z.string().optional() })).transform((parts) => parts.map(({ text }) => text ?? "").join("")),
  z.looseObject({ text: z.string() }).transform(({ text }) => text),
]);

/** An item of the provider's Responses API, or one of the SDK's, which is what a conversation holds. */
const itemSchema = z.looseObject({
  type: z.string().default("message"),
  role: z.string().optional(),
  content: textSchema.optional(),
  name: z.string().optional(),
  call_id: z.string().optional(),
  callId: z.string().optional(),
  output: textSchema.optional(),
});

export function linesOf(items: unknown): string[] {
  const names = new Map<string, string>();
  return z
    .array(itemSchema)
    .parse(items)
    .map((item) => {
      const callId = item.call_id ?? item.callId ?? "";
      switch (item.type) {
        case "message":
          return `${item.role} ${item.content}`;
        case "function_call":
          names.set(callId, item.name ?? "");
          return `call ${item.name}`;
        case "function_call_output":
        case "function_call_result":
          return resultLine(names.get(callId), item.output);
        default:
          return item.type;
      }
    });
}

/** What a handoff is answered is the SDK's. */
function resultLine(name: string | undefined, output: string | undefined): string {
  const tool = TOOLS.find((known) => known === name);
  return tool === undefined ? `answer ${name}` : `answer ${name}: ${toldResult(tool, output)}`;
}

/** The turn that a completed run leaves. */
export function turnLines(job: Job, isRefunded: boolean): string[] {
  const results = toolResults(job, isRefunded);
  return [
    `user ${inputOf(job)}`,
    ...calledLines(results.slice(0, 1)),
    ...handoffLines("middle"),
    ...calledLines(results.slice(1)),
    ...handoffLines("closer"),
    `assistant ${expectedOutput(job, isRefunded)}`,
  ];
}

const calledLines = (results: ReturnType<typeof toolResults>): string[] => [
  ...results.map(([tool]) => `call ${tool}`),
  ...results.map(([tool, result]) => `answer ${tool}: ${result}`),
];

const handoffLines = (to: string): string[] => [`call transfer_to_${to}`, `answer transfer_to_${to}`];
