/** Short forms for scripted model answers. */
import { type ModelResponse, Usage } from "@openai/agents";
import { assistantMessage, functionCall, modelResponse, type ScriptedModelInput } from "@openai/agents/testing";

export const answer = (...output: ModelResponse["output"]): ScriptedModelInput =>
  modelResponse({ output, usage: new Usage({ requests: 1, inputTokens: 10, outputTokens: 5, totalTokens: 15 }) });

export const say = (text: string): ScriptedModelInput => answer(assistantMessage(text));

export const call = (name: string, args: Record<string, unknown> = {}, callId = `c-${name}`): ScriptedModelInput =>
  answer(functionCall(name, args, { callId }));
