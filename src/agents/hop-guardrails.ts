/**
 * Guardrails as they run inside a hop. They are derived, never changed (I13):
 *
 * - An input guardrail ends before the model is asked, unless it says `runInParallel: true`. The SDK's default pays for the call first.
 * - A guardrail that itself fails stops the attempt, wherever it stands: the SDK would tell a model about it and go on unguarded.
 * - What an output guardrail found is kept: the SDK takes it off its error.
 * - A tool's input guardrails are not asked about a call whose effect has happened: a changed mind would deny it to the model.
 */
import {
  GuardrailExecutionError,
  type GuardrailFunctionOutput,
  type InputGuardrail,
  type OutputGuardrail,
  OutputGuardrailTripwireTriggered,
  type ToolInputGuardrailDefinition,
  type ToolOutputGuardrailDefinition,
} from "@openai/agents";
import { toolKey } from "../protocol/journal.ts";
import type { AnyAgent } from "./catalog.ts";
import { currentScope, type HopState } from "./hop-state.ts";

/** Names the guardrail, which the SDK's own error does not. */
class GuardrailFailedError extends GuardrailExecutionError {
  readonly guardrail: string;

  constructor(guardrail: string, cause: unknown) {
    // As the SDK does with whatever was thrown.
    super(`The guardrail ${guardrail} failed.`, cause as Error);
    this.guardrail = guardrail;
  }
}

async function orFail<T>(hop: HopState, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    hop.fail(new GuardrailFailedError(name, error));
    throw error;
  }
}

/**
 * The agent with its guardrails as a hop runs them. Without any it is the agent itself.
 * @param guardedFrom input guardrails are shown the items from there on
 */
export function withHopGuardrails<A extends AnyAgent>(agent: A, hop: HopState, guardedFrom = 0): A {
  if (agent.inputGuardrails.length === 0 && agent.outputGuardrails.length === 0) return agent;
  return Object.create(agent, {
    inputGuardrails: { value: agent.inputGuardrails.map((guardrail) => inputGuardrail(guardrail, hop, guardedFrom)), enumerable: true },
    outputGuardrails: { value: agent.outputGuardrails.map((guardrail) => outputGuardrail(guardrail, hop)), enumerable: true },
  });
}

function inputGuardrail(guardrail: InputGuardrail, hop: HopState, guardedFrom: number): InputGuardrail {
  const execute: InputGuardrail["execute"] = async (args) => {
    const input = typeof args.input === "string" ? args.input : args.input.slice(guardedFrom);
    return tellable(await orFail(hop, guardrail.name, () => guardrail.execute({ ...args, input })));
  };
  return Object.create(guardrail, {
    execute: { value: execute, enumerable: true },
    runInParallel: { value: guardrail.runInParallel ?? false, enumerable: true },
  });
}

/** The SDK writes the info into its error's message, and takes an info that JSON cannot carry for a failure of the guardrail. */
function tellable(output: GuardrailFunctionOutput): GuardrailFunctionOutput {
  try {
    JSON.stringify(output.outputInfo);
    return output;
  } catch {
    return { ...output, outputInfo: undefined };
  }
}

/** By guardrail: what it found when it tripped. */
const found = new WeakMap<HopState, Map<string, unknown>>();

function outputGuardrail(guardrail: OutputGuardrail, hop: HopState): OutputGuardrail {
  const execute: OutputGuardrail["execute"] = async (args) => {
    const output = tellable(await orFail(hop, guardrail.name, () => guardrail.execute(args)));
    if (output.tripwireTriggered) found.set(hop, (found.get(hop) ?? new Map()).set(guardrail.name, output.outputInfo));
    return output;
  };
  return Object.create(guardrail, { execute: { value: execute, enumerable: true } });
}

/** Puts back what the SDK took off its error. The run's record is as private as its transcript. */
export function restoreOutputInfo(error: unknown, hop: HopState): void {
  if (!(error instanceof OutputGuardrailTripwireTriggered)) return;
  error.result.output.outputInfo ??= found.get(hop)?.get(error.result.guardrail.name);
}

export function toolInputGuardrail(guardrail: ToolInputGuardrailDefinition): ToolInputGuardrailDefinition {
  const run: ToolInputGuardrailDefinition["run"] = async (data) => {
    const hop = currentScope()?.hop;
    if (hop === undefined) return guardrail.run(data);
    if (hop.journal.entries.has(toolKey(data.toolCall.callId))) return { behavior: { type: "allow" } };
    return orFail(hop, guardrail.name, () => guardrail.run(data));
  };
  return Object.create(guardrail, { run: { value: run, enumerable: true } });
}

export function toolOutputGuardrail(guardrail: ToolOutputGuardrailDefinition): ToolOutputGuardrailDefinition {
  const run: ToolOutputGuardrailDefinition["run"] = async (data) => {
    const hop = currentScope()?.hop;
    return hop === undefined ? guardrail.run(data) : orFail(hop, guardrail.name, () => guardrail.run(data));
  };
  return Object.create(guardrail, { run: { value: run, enumerable: true } });
}
