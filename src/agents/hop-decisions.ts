/**
 * Decisions of people as one hop applies them. A decision may come from a process that has none of the agents' code, so that what only
 * this code can tell is looked at here, before the SDK sees the call: whether who decided may (the fleet's `approvers`), and whether edited
 * arguments are the tool's. What does not hold is refused: the call waits again, and the run's history says why.
 *
 * What was accepted once is journaled (`a:…`) and not looked at again: the effect may have happened since.
 */
import type { FunctionTool } from "@openai/agents";
import { prepareFunctionToolInput } from "@openai/agents-core/utils/internal";
import type { Refusal } from "../protocol/attempt.ts";
import { cut, LIMITS } from "../protocol/limits.ts";
import { type Decided, NO_USAGE } from "../protocol/run.ts";
import type { HopState } from "./hop-state.ts";

/** A decision on a tool call, for the fleet's `approvers` to allow or not. */
export interface DecisionToCheck {
  readonly runId: string;
  readonly tenant: string;
  /** The agent whose hop it is. */
  readonly agent: string;
  readonly tool: string;
  readonly callId: string;
  readonly approve: boolean;
  /** Who decided, as they said; undefined where nobody gave a name. */
  readonly by: string | undefined;
  /** What the tool would run with, edited or not. Empty where the model's text is no JSON object. */
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly always: boolean;
}

type Verdict = boolean | { readonly allowed: true } | { readonly allowed: false; readonly why: string };
/** Says whether a decision counts. Asked in the worker, once for each decision and call; one that throws does not allow. */
export type Approvers = (decision: DecisionToCheck) => Verdict | Promise<Verdict>;

/** A call that may need a decision. */
export interface CallInQuestion {
  readonly callId: string;
  readonly tool: string;
  readonly arguments: string;
}

export class HopDecisions {
  readonly #hop: HopState;
  readonly #decisions: ReadonlyMap<string, Decided>;
  readonly #approvers: Approvers | undefined;
  /** Tools of the calls that the model made, where this process has them. */
  readonly #tools = new Map<string, FunctionTool>();
  readonly #accepted = new Map<string, Promise<Decided | undefined>>();
  readonly #refusals = new Map<string, Refusal>();

  constructor(hop: HopState, decisions: ReadonlyMap<string, Decided>, approvers: Approvers | undefined) {
    this.#hop = hop;
    this.#decisions = decisions;
    this.#approvers = approvers;
  }

  /** True for a call that was decided, and whose decision counts. */
  has(callId: string): boolean {
    return !this.#refusals.has(callId) && (this.#decisions.has(callId) || this.#hop.journal.entries.has(`a:${callId}`));
  }

  toolOf(callId: string): FunctionTool | undefined {
    return this.#tools.get(callId);
  }

  get refusals(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  /** Called for each function call of an answer before the SDK sees it. Returns the arguments that it runs with. */
  async meet(call: CallInQuestion, tool: FunctionTool | undefined): Promise<string> {
    if (tool !== undefined) this.#tools.set(call.callId, tool);
    const decided = await this.#own(call);
    return decided?.approve === true && decided.arguments !== undefined ? decided.arguments : call.arguments;
  }

  /** The decision to apply to a call that waits: its own, or one that stands for its tool. Undefined: a person is to be asked. */
  async of(call: CallInQuestion): Promise<Decided | undefined> {
    return (await this.#own(call)) ?? (this.#refusals.has(call.callId) ? undefined : await this.#standing(call));
  }

  /** Asked twice where the SDK shows the call a second time; it is looked at once. */
  #own(call: CallInQuestion): Promise<Decided | undefined> {
    const known = this.#accepted.get(call.callId);
    if (known !== undefined) return known;
    const found = this.#lookAtOwn(call);
    this.#accepted.set(call.callId, found);
    return found;
  }

  async #lookAtOwn(call: CallInQuestion): Promise<Decided | undefined> {
    const decided = this.#decisions.get(call.callId);
    if (decided === undefined || decided.timedOut === true) return decided;
    // By its time as well: a call whose first decision was refused is decided a second time.
    const key = `a:${call.callId}:${decided.atMs}`;
    if (this.#hop.journal.entries.has(key)) return decided;
    const why = this.#faultOfEdit(call, decided) ?? (await this.#objection(call, decided));
    if (why === undefined) {
      await this.#hop.write({ key, valueJson: '{"v":1}', usage: NO_USAGE, turns: 0, event: undefined });
      return decided;
    }
    this.#refusals.set(call.callId, { callId: call.callId, why: cut(why, LIMITS.reasonChars) });
    return undefined;
  }

  async #standing(call: CallInQuestion): Promise<Decided | undefined> {
    const { journal } = this.#hop;
    const key = `a:${call.callId}`;
    const applied = journal.entries.get(key);
    if (applied !== undefined) return this.#decisions.get(String(JSON.parse(applied).decision));
    const decided = [...this.#decisions.values()].findLast(
      ({ always, tool, callId }) => always === true && tool === call.tool && !this.#refusals.has(callId),
    );
    // Arguments were edited for one call; the others run with their own.
    const { arguments: _edited, ...standing } = decided ?? {};
    if (decided === undefined || (await this.#objection(call, { ...decided, ...standing, arguments: call.arguments })) !== undefined)
      return undefined;
    const { approve, by, reason } = decided;
    const who = { ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }) };
    await this.#hop.write({
      key,
      valueJson: JSON.stringify({ v: 1, decision: decided.callId }),
      usage: NO_USAGE,
      turns: 0,
      event: {
        type: "approval.decided",
        ...this.#hop.at(),
        callId: call.callId,
        tool: call.tool,
        approve,
        ...who,
        standing: decided.callId,
      },
    });
    return decided;
  }

  /** What the tool's own parser says of edited arguments: more than a JSON Schema can. */
  #faultOfEdit({ callId, tool: name }: CallInQuestion, decided: Decided): string | undefined {
    if (!decided.approve || decided.arguments === undefined) return undefined;
    const tool = this.#tools.get(callId);
    if (tool === undefined) return `The arguments of ${name} cannot be edited: it runs at the model's provider.`;
    try {
      const prepared = prepareFunctionToolInput(tool, decided.arguments);
      return prepared === undefined || prepared.result.success ? undefined : notItsArguments(name, prepared.result.error);
    } catch (error) {
      return notItsArguments(name, error);
    }
  }

  async #objection(call: CallInQuestion, { approve, by, always, arguments: edited }: Decided): Promise<string | undefined> {
    if (this.#approvers === undefined) return undefined;
    const { runId, tenant, agent } = this.#hop.identity;
    const { callId, tool } = call;
    const args = objectIn(edited ?? call.arguments);
    try {
      const verdict = await this.#approvers({ runId, tenant, agent, tool, callId, approve, by, arguments: args, always: always === true });
      if (verdict === true || (typeof verdict === "object" && verdict.allowed)) return undefined;
      return typeof verdict === "object" ? verdict.why : `${by ?? "Whoever gives no name"} may not decide on ${tool}.`;
    } catch (error) {
      return `The fleet's approvers failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}

const notItsArguments = (tool: string, error: unknown): string =>
  `The edited arguments are not those of ${tool}: ${error instanceof Error ? error.message : String(error)}`;

function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
