/**
 * The user's agent as it runs at the top of a hop: handoffs end the hop, guardrails and hooks behave, the original stays untouched (I13).
 */
import { Agent, type AgentInputItem, getHandoff, type Handoff, type Model, type RunItem, Usage } from "@openai/agents";
import { withHopGuardrails } from "./hop-guardrails.ts";
import { type HopState, requireScope } from "./hop-state.ts";
import { withJournaledModel } from "./sdk-seams.ts";

const HANDED_OFF = "\u0000handed-off";

const marker = () => [
  {
    type: "message" as const,
    role: "assistant" as const,
    status: "completed" as const,
    content: [{ type: "output_text" as const, text: HANDED_OFF }],
  },
];

/** Ends the SDK's loop without a call: the next agent answers in a job of its own. */
const stubModel: Model = {
  getResponse: async () => ({ usage: new Usage({ requests: 0 }), output: marker() }),
  async *getStreamedResponse() {
    yield { type: "response_started" };
    yield {
      type: "response_done",
      response: { id: "handed-off", usage: { requests: 0, inputTokens: 0, outputTokens: 0, totalTokens: 0 }, output: marker() },
    };
  },
};

const stubs = new WeakSet<object>();
const remotes = new WeakSet<object>();

export const isStub = (agent: object | undefined): boolean => agent !== undefined && stubs.has(agent);
export const isRemote = (agent: object): boolean => remotes.has(agent);

function stubOf(target: Agent): Agent {
  const stub = new Agent({
    name: target.name,
    handoffDescription: target.handoffDescription,
    model: stubModel,
    modelSettings: {},
    handoffOutputTypeWarningEnabled: false,
  });
  stubs.add(stub);
  return stub;
}

/** A model that only says that its agent is elsewhere. */
const remoteModel: Model = {
  getResponse: async () => {
    throw requireScope() && new Error("A remote agent was run in place; hand off to it instead.");
  },
  async *getStreamedResponse() {
    throw requireScope() && new Error("A remote agent was run in place; hand off to it instead.");
  },
};

/**
 * Names a handoff target whose code lives in other workers.
 * @param handoffDescription tells the model when to hand off to it
 */
export function remoteAgent(name: string, { handoffDescription }: { readonly handoffDescription: string }): Agent {
  const agent = new Agent({ name, handoffDescription, model: remoteModel, modelSettings: {}, handoffOutputTypeWarningEnabled: false });
  remotes.add(agent);
  return agent;
}

/** Only the top of a hop hands off by ending; the original, used as a tool inside, hands off in place. */
function endingHandoff(handoff: Handoff, hop: HopState): Handoff {
  const { inputFilter } = handoff;
  return handoff.clone({
    ...(inputFilter === undefined
      ? {}
      : {
          inputFilter: (data) => {
            hop.unfiltered = [...data.preHandoffItems, ...data.newItems].flatMap((item) => toInputItem(item) ?? []);
            return inputFilter(data);
          },
        }),
    onInvokeHandoff: async (context, args) => {
      const target = await handoff.onInvokeHandoff(context, args);
      hop.handoff = { filtered: handoff.inputFilter !== undefined, arguments: args };
      return stubOf(target);
    },
  });
}

/** As the SDK's own `history` has it: an item that is still to be decided is no history. */
const toInputItem = (item: RunItem): AgentInputItem | undefined => (item.type === "tool_approval_item" ? undefined : item.rawItem);

export interface DeriveOptions {
  /** False where the agent's input guardrails do not guard this hop. */
  readonly guardsInput: boolean;
  /** Those that do are shown the input from this item on. */
  readonly guardedFrom: number;
  readonly onListenerError: (error: unknown) => void;
}

export function deriveAgent(agent: Agent, hop: HopState, options: DeriveOptions): Agent {
  return Object.create(withHopGuardrails(withJournaledModel(agent), hop, options.guardedFrom), {
    // A model that the fork of a run names stands in place of the agent's own.
    ...(hop.secondChance.model === undefined ? {} : { model: { value: hop.secondChance.model, enumerable: true } }),
    handoffs: { value: agent.handoffs.map((handoff) => endingHandoff(getHandoff(handoff), hop)), enumerable: true },
    ...(options.guardsInput ? {} : { inputGuardrails: { value: [], enumerable: true } }),
    emit: { value: safeEmit(agent, options.onListenerError), enumerable: false },
  });
}

/** A listener that throws would fail the run; the fleet logs it instead. */
function safeEmit(agent: Agent, onListenerError: (error: unknown) => void): Agent["emit"] {
  return (type, ...args) => {
    try {
      return agent.emit(type, ...args);
    } catch (error) {
      onListenerError(error);
      return true;
    }
  };
}
