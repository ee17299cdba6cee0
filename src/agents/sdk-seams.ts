/**
 * The two places where the SDK's own classes are extended. Both pass straight through outside a hop, so that plain `Runner.run` behaves
 * the same before, during and after (I13). They are needed because a nested agent (`asTool`) runs the user's original object, which no
 * derived copy can reach. See docs/decisions/0002-seams-into-the-agents-sdk.md.
 */
import { Agent, type ModelProvider, Runner, RunState } from "@openai/agents";
import type { AgentInputItem } from "@openai/agents";
import { withHopGuardrails } from "./hop-guardrails.ts";
import { currentScope, type HopState, runInScope, type Scope } from "./hop-state.ts";
import { journaledModel, journaledProvider } from "./journaled-model.ts";
import { heldTool, ledgeredTool } from "./ledgered-tool.ts";
import { policyOf } from "./tool-policy.ts";
import { whyRefused } from "./structured-answer.ts";

const INSTALLED = Symbol.for("flotilla.seams");

// Its prototype carries the mark, so that a second copy of this package does not wrap a second time.
type Marked = typeof Runner.prototype & { [INSTALLED]?: true };

/** Installs the seams once per process. */
export function installSeams(): void {
  const prototype = Runner.prototype as Marked;
  if (prototype[INSTALLED] === true) return;
  prototype[INSTALLED] = true;
  const getAllTools = Agent.prototype.getAllTools;
  Agent.prototype.getAllTools = async function (...args) {
    const tools = await getAllTools.apply(this, args);
    const scope = currentScope();
    if (scope === undefined) return tools;
    for (const tool of tools) {
      if (tool.type !== "function") continue;
      scope.frame.tools.set(tool.name, tool);
      if (policyOf(tool).repeats === "allowed") scope.frame.repeatable.add(tool.name);
    }
    return scope.hop.secondChance.tools === "live" ? tools.map(ledgeredTool) : tools.flatMap(heldTool);
  };
  const run = Runner.prototype.run;
  // `run` is overloaded; what is passed on is exactly what came in.
  type AnyRun = (this: Runner, agent: Agent, input: unknown, options?: unknown) => Promise<unknown>;
  const nested: AnyRun = function (agent, input, options) {
    const scope = currentScope();
    if (scope === undefined || this === scope.hop.runner) return (run as AnyRun).call(this, agent, input, options);
    const { hop } = scope;
    const runner = insideHop(this, hop);
    const frame = frameOf(scope, agent, input);
    return runInScope({ ...scope, agentCallId: undefined, frame }, () =>
      (run as AnyRun).call(runner, withHopGuardrails(withJournaledModel(agent), hop), input, options).catch((error: unknown) => {
        hop.blame(error, frame, (text) => whyRefused(agent, text));
        throw error;
      }),
    );
  };
  Runner.prototype.run = nested as typeof run;
}

/** A nested agent's runner inherits the hop's provider; one made by the user, or the process-wide one, does not. */
function insideHop(runner: Runner, hop: HopState): Runner {
  const { modelProvider } = runner.config;
  if (modelProvider === hop.provider) return runner;
  const provider = isProcessDefault(modelProvider) ? hop.provider : journaledProvider(modelProvider);
  return new Runner({ ...runner.config, modelProvider: provider, tracingDisabled: true });
}

/** The SDK's stand-in for "whatever provider the process has": its class is not exported. */
const isProcessDefault = (provider: ModelProvider): boolean => provider.constructor === processDefault;
const processDefault = new Runner().config.modelProvider.constructor;

function frameOf({ hop, frame, agentCallId }: Scope, agent: Agent, input: unknown): Scope["frame"] {
  if (agentCallId !== undefined) return hop.calledFrame(frame, agentCallId, agent.name);
  // A saved state that a tool or guardrail of the user's goes on with: it has a journal of its own from here on.
  if (input instanceof RunState) return hop.childFrame(frame, agent.name, "resumed");
  // Not a RunState, so by the SDK's signature the input proper.
  return hop.childFrame(frame, agent.name, input as string | AgentInputItem[]);
}

/** An agent with a Model object of its own bypasses every provider: the object is wrapped on a derived agent. */
export function withJournaledModel<T extends Agent>(agent: T): T {
  const { model } = agent;
  if (typeof model === "string") return agent;
  return Object.create(agent, { model: { value: journaledModel(model, `${agent.name}'s own model`), enumerable: true } });
}
