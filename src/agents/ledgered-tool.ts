/**
 * The ledger seam for tool calls (I5): a journaled result is replayed, and an undeclared tool says what it is about to do before it does it.
 * Tools are derived, never changed (I13). The calls inside an agent used as a tool are journaled one by one, not its answer.
 */
import { type FunctionTool, invokeFunctionTool, type Tool } from "@openai/agents";
import { hasDynamicFunctionToolApprovalPolicy, prepareFunctionToolInput } from "@openai/agents-core/utils/internal";
import { cut, LIMITS } from "../protocol/limits.ts";
import { FleetError } from "../protocol/errors.ts";
import type { RunEvent } from "../protocol/events.ts";
import { idempotencyKeyOf, toolKey } from "../protocol/journal.ts";
import { NO_USAGE } from "../protocol/run.ts";
import { toolInputGuardrail, toolOutputGuardrail } from "./hop-guardrails.ts";
import { currentScope, runInScope, type Scope } from "./hop-state.ts";
import { decodeToolEntry, encodeToolEntry, reviveBytes, type ToolEntry } from "./journal-entry.ts";
import type { ContextPatch } from "./run-context.ts";
import { stoppingSignal } from "./stopping-signal.ts";
import { policyOf } from "./tool-policy.ts";

type Invoke = FunctionTool["invoke"];

/** `Agent.asTool()` adds `on` to the tool it returns; plain function tools have none. */
const isAgentTool = (tool: FunctionTool): boolean => "on" in tool && typeof tool.on === "function";

/** By original. A derived tool finds its hop when it is called, so one serves all hops. */
const derivedTools = new WeakMap<Tool, Tool>();

/** The tool as it runs inside a hop. Hosted tools run at the provider, within a journaled model call. */
export function ledgeredTool(tool: Tool): Tool {
  if (tool.type !== "function") return tool;
  const known = derivedTools.get(tool);
  if (known !== undefined) return known;
  const derived: FunctionTool = Object.create(tool, {
    invoke: { value: isAgentTool(tool) ? placedInvoke(tool) : ledgeredInvoke(tool), enumerable: true },
    // The time limit is kept inside the ledger: what the model is told of it is the call's result, and a replay must find it.
    ...(isAgentTool(tool) ? {} : { timeoutMs: { value: undefined, enumerable: true } }),
    inputGuardrails: { value: tool.inputGuardrails?.map(toolInputGuardrail), enumerable: true },
    outputGuardrails: { value: tool.outputGuardrails?.map(toolOutputGuardrail), enumerable: true },
    // A static answer is kept as it is: the SDK knows the predicates that it made itself from a boolean.
    ...(hasDynamicFunctionToolApprovalPolicy(tool) ? { needsApproval: { value: parsedApproval(tool), enumerable: true } } : {}),
  });
  derivedTools.set(tool, derived);
  return derived;
}

const heldTools = new WeakMap<Tool, Tool>();

/**
 * The tool in a run whose tools are not live; as an array, because it may be none: what runs at the provider, or in the SDK itself, no ledger
 * can keep from running, and so the model is not offered it.
 */
export function heldTool(tool: Tool): Tool[] {
  if (tool.type !== "function") return [];
  const held: Tool =
    heldTools.get(tool) ?? Object.create(ledgeredTool(tool), { needsApproval: { value: decidedApproval(tool), enumerable: true } });
  heldTools.set(tool, held);
  return [held];
}

/**
 * The SDK finds a tool's parser by the identity of `invoke`. A derived tool has another one, so its predicate would see unparsed
 * arguments, and a refund could run unapproved: the predicate is given what the original tool's parser makes of them.
 */
function parsedApproval(tool: FunctionTool): FunctionTool["needsApproval"] {
  return async (context, args, callId) => {
    // What was answered once is not asked about again: the predicate may have changed its mind, but the effect has happened.
    if (callId !== undefined && currentScope()?.hop.journal.entries.has(toolKey(callId)) === true) return false;
    const prepared = prepareFunctionToolInput(tool, typeof args === "string" ? args : JSON.stringify(args));
    // The parser's value is by construction of the tool's own parameter type.
    const parsed = prepared?.result.success === true ? (prepared.result.value as typeof args) : args;
    return tool.needsApproval(context, parsed, callId);
  };
}

/** Nobody is asked about a call that will not run. What the source's people decided stands. */
function decidedApproval(tool: FunctionTool): FunctionTool["needsApproval"] {
  const asked = parsedApproval(tool);
  return async (context, args, callId) =>
    callId !== undefined && currentScope()?.hop.people.has(callId) === true && asked(context, args, callId);
}

/** An agent as a tool: its run is known by the call that made it, whatever its input is made of. */
function placedInvoke(tool: FunctionTool): Invoke {
  return (runContext, input, details) => {
    const scope = currentScope();
    const callId = details?.toolCall?.callId;
    const invoke = (): ReturnType<Invoke> => tool.invoke(runContext, input, details);
    return scope === undefined || callId === undefined ? invoke() : runInScope({ ...scope, agentCallId: callId }, invoke);
  };
}

function ledgeredInvoke(tool: FunctionTool): Invoke {
  return async (runContext, input, details) => {
    const scope = currentScope();
    const callId = details?.toolCall?.callId;
    if (scope === undefined || details === undefined || callId === undefined) return tool.invoke(runContext, input, details);
    const journaled = scope.hop.journal.entries.get(toolKey(callId));
    if (journaled !== undefined) {
      scope.hop.secondChance.recordings.pass(tool.name, input);
      return replay(scope, decodeToolEntry(journaled));
    }
    if (scope.hop.secondChance.tools !== "live") return heldCall(scope, tool, callId, input);
    const given = details.signal;
    // The details are the SDK's own, made for this call; what it knows of them by their identity has to stay.
    const stoppable = Object.assign(details, { signal: stoppingSignal(scope.hop.signal, given, tool.name) });
    return run(scope, tool, callId, input, () =>
      runInScope({ ...scope, call: callOf(scope, callId, given) }, () =>
        invokeFunctionTool({ tool, runContext, input, details: stoppable }),
      ),
    );
  };
}

function callOf({ hop }: Scope, callId: string, signal: AbortSignal | undefined): NonNullable<Scope["call"]> {
  const { runId, attempt, tenant, root } = hop.identity;
  return {
    runId,
    callId,
    attempt,
    tenant,
    idempotencyKey: idempotencyKeyOf(root, callId),
    signal: signal === undefined ? hop.signal : AbortSignal.any([hop.signal, signal]),
  };
}

function replay({ hop }: Scope, entry: ToolEntry): unknown {
  if (entry.context !== undefined) hop.context.applyPatch(entry.context);
  return reviveBytes(entry.output);
}

async function run(scope: Scope, tool: FunctionTool, callId: string, input: string, invoke: () => Promise<unknown>): Promise<unknown> {
  const { hop } = scope;
  hop.signal.throwIfAborted();
  const asks = policyOf(tool).onCrash !== "idempotent";
  if (asks) await openIntent(scope, tool, callId, input);
  const startedAtMs = hop.clock.nowMs();
  const output = await invoke();
  const patch = stopsAttempt(scope, () => hop.context.takePatch());
  const valueJson = encodeResult(tool, hop.turn, output, patch);
  if (valueJson.length > LIMITS.stepBytes) {
    throw new FleetError(
      "OUTPUT_TOO_LARGE",
      `Expected the result of tool ${tool.name} to be at most ${LIMITS.stepBytes} characters; got ${valueJson.length}.`,
    );
  }
  const stored = await hop.write({
    key: toolKey(callId),
    valueJson,
    usage: NO_USAGE,
    turns: 0,
    event: {
      type: "tool.completed",
      ...hop.at(),
      callId,
      tool: tool.name,
      ok: true,
      preview: previewOf(output),
      durationMs: hop.clock.nowMs() - startedAtMs,
    },
    ...(asks ? { closesIntent: callId } : {}),
  });
  return stored === valueJson ? output : replay(scope, decodeToolEntry(stored));
}

/** In a run whose tools do not run: the source's answer to the same call, or a plain word to the model that there is none. */
async function heldCall(scope: Scope, tool: FunctionTool, callId: string, input: string): Promise<unknown> {
  const { hop } = scope;
  const recorded = hop.secondChance.tools === "recorded" ? await hop.secondChance.recordings.next(tool.name, input) : undefined;
  const because = hop.secondChance.tools === "deny" ? "deny" : "not-recorded";
  const entry = recorded === undefined ? { output: NOT_RUN[because], denied: true as const } : answerOf(recorded);
  const valueJson = encodeToolEntry({ ...entry, v: 1, turn: hop.turn });
  const called = { ...hop.at(), callId, tool: tool.name };
  const answered = { ok: true, preview: previewOf(entry.output), durationMs: 0, recorded: true };
  const event: RunEvent =
    recorded === undefined ? { type: "tool.denied", ...called, because } : { type: "tool.completed", ...called, ...answered };
  return replay(scope, decodeToolEntry(await hop.write({ key: toolKey(callId), valueJson, usage: NO_USAGE, turns: 0, event })));
}

/** What a person is shown of a result: the tool's own words, not how they are stored. */
function previewOf(output: unknown): string {
  return cut(typeof output === "string" ? output : (JSON.stringify(output) ?? ""), LIMITS.eventPreviewChars);
}

/** The order of context changes is a matter of the hop in which they were made. */
function answerOf(recorded: string): { readonly output: unknown; readonly context?: ContextPatch } {
  const { output, context } = decodeToolEntry(recorded);
  return { output, ...(context === undefined ? {} : { context: { set: context.set, removed: context.removed } }) };
}

/** What the model is told. */
const NOT_RUN = {
  deny: "This call was not made: tools are switched off in this run.",
  "not-recorded": "This call was not made: tools are answered from an earlier run here, and that run did not make this call.",
} as const;

async function openIntent(scope: Scope, tool: FunctionTool, callId: string, input: string): Promise<void> {
  const { hop } = scope;
  const intent = {
    callId,
    tool: tool.name,
    agent: hop.identity.agent,
    hop: hop.identity.hop,
    arguments: input,
    openedAtMs: hop.clock.nowMs(),
  };
  try {
    await hop.journal.openIntent(intent);
  } catch (error) {
    hop.fail(error);
    throw error;
  }
}

/** A context that cannot be stored must stop the run; as a tool's exception it would become text for the model. */
function stopsAttempt<T>({ hop }: Scope, work: () => T): T {
  try {
    return work();
  } catch (error) {
    hop.fail(error);
    throw error;
  }
}

/** @throws FleetError INPUT_INVALID where the tool returned what JSON cannot carry. */
function encodeResult(tool: FunctionTool, turn: number, output: unknown, context: ContextPatch | undefined): string {
  try {
    return encodeToolEntry({ v: 1, turn, ...(output === undefined ? {} : { output }), ...(context === undefined ? {} : { context }) });
  } catch (cause) {
    throw new FleetError("INPUT_INVALID", `Expected tool ${tool.name} to return a value that JSON can carry.`, { cause });
  }
}
