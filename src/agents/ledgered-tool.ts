/**
 * The ledger seam for tool calls (I5): a journaled result is replayed, and an undeclared tool says what it is about to do before it does it.
 * Tools are derived, never changed (I13); agents as tools are left alone, because the calls inside them are journaled one by one.
 */
import type { FunctionTool, Tool } from "@openai/agents";
import { hasDynamicFunctionToolApprovalPolicy, prepareFunctionToolInput } from "@openai/agents-core/utils/internal";
import { cut, LIMITS } from "../protocol/limits.ts";
import { FleetError } from "../protocol/errors.ts";
import { NO_USAGE } from "../protocol/run.ts";
import { currentScope, runInScope, type Scope } from "./hop-state.ts";
import { decodeToolEntry, encodeToolEntry, reviveBytes, type ToolEntry, toolKey } from "./journal-entry.ts";
import type { ContextPatch } from "./run-context.ts";
import { policyOf } from "./tool-policy.ts";

type Invoke = FunctionTool["invoke"];

/** `Agent.asTool()` adds `on` to the tool it returns; plain function tools have none. */
const isAgentTool = (tool: FunctionTool): boolean => "on" in tool && typeof tool.on === "function";

/** The tool as it runs inside a hop. Hosted tools run at the provider, within a journaled model call. */
export function ledgeredTool(tool: Tool, cache: WeakMap<Tool, Tool>): Tool {
  if (tool.type !== "function" || isAgentTool(tool)) return tool;
  const known = cache.get(tool);
  if (known !== undefined) return known;
  const derived: FunctionTool = Object.create(tool, {
    invoke: { value: ledgeredInvoke(tool), enumerable: true },
    // A static answer is kept as it is: the SDK knows the predicates that it made itself from a boolean.
    ...(hasDynamicFunctionToolApprovalPolicy(tool) ? { needsApproval: { value: parsedApproval(tool), enumerable: true } } : {}),
  });
  cache.set(tool, derived);
  return derived;
}

/**
 * The SDK finds a tool's parser by the identity of `invoke`. A derived tool has another one, so its predicate would see unparsed
 * arguments, and a refund could run unapproved: the predicate is given what the original tool's parser makes of them.
 */
function parsedApproval(tool: FunctionTool): FunctionTool["needsApproval"] {
  return async (context, args, callId) => {
    const prepared = prepareFunctionToolInput(tool, typeof args === "string" ? args : JSON.stringify(args));
    // The parser's value is by construction of the tool's own parameter type.
    const parsed = prepared?.result.success === true ? (prepared.result.value as typeof args) : args;
    return tool.needsApproval(context, parsed, callId);
  };
}

function ledgeredInvoke(tool: FunctionTool): Invoke {
  return async (runContext, input, details) => {
    const scope = currentScope();
    const callId = details?.toolCall?.callId;
    if (scope === undefined || callId === undefined) return tool.invoke(runContext, input, details);
    const journaled = scope.hop.journal.entries.get(toolKey(callId));
    if (journaled !== undefined) return replay(scope, decodeToolEntry(journaled));
    return run(scope, tool, callId, input, () =>
      runInScope({ ...scope, call: callOf(scope, callId, details?.signal) }, () => tool.invoke(runContext, input, details)),
    );
  };
}

function callOf({ hop }: Scope, callId: string, signal: AbortSignal | undefined): NonNullable<Scope["call"]> {
  const { runId, attempt, tenant } = hop.identity;
  return {
    runId,
    callId,
    attempt,
    tenant,
    idempotencyKey: `${runId}/${callId}`,
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
  const valueJson = encodeResult(tool, output, patch);
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
      preview: cut(typeof output === "string" ? output : valueJson, LIMITS.eventPreviewChars),
      durationMs: hop.clock.nowMs() - startedAtMs,
    },
    ...(asks ? { closesIntent: callId } : {}),
  });
  return stored === valueJson ? output : replay(scope, decodeToolEntry(stored));
}

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
function encodeResult(tool: FunctionTool, output: unknown, context: ContextPatch | undefined): string {
  try {
    const text = encodeToolEntry({ v: 1, ...(output === undefined ? {} : { output }), ...(context === undefined ? {} : { context }) });
    decodeToolEntry(text);
    return text;
  } catch (cause) {
    throw new FleetError("INPUT_INVALID", `Expected tool ${tool.name} to return a value that JSON can carry.`, { cause });
  }
}
