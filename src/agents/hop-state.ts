/**
 * One attempt at one hop, as everything that runs inside it sees it: the journal, the frames, the signal, the context.
 * It is found through AsyncLocalStorage, so that nested agents, guardrails and tools reach it without the user passing it on.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { AgentInputItem, FunctionTool, ModelProvider, Runner } from "@openai/agents";
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import type { RunEvent } from "../protocol/events.ts";
import { modelKey, TOP_FRAME } from "../protocol/journal.ts";
import type { ToolMode } from "../protocol/origin.ts";
import type { Decided } from "../protocol/run.ts";
import type { HopDecisions } from "./hop-decisions.ts";
import { canonicalJson, type Rejection, sha256 } from "./journal-entry.ts";
import type { RepeatLimits } from "./loops.ts";
import type { HopJournal, HopLiveText } from "./ports.ts";
import type { Recordings } from "./recordings.ts";
import type { TrackedContext } from "./run-context.ts";

export interface HopIdentity {
  readonly runId: string;
  readonly hop: number;
  readonly attempt: number;
  readonly agent: string;
  readonly tenant: string;
  readonly tags: readonly string[];
  readonly conversation?: string | undefined;
  /** Top-level turns of the hops before this one. */
  readonly turnsBefore: number;
  /** The first run of the line that this one stands in; mostly itself. */
  readonly root: string;
}

/** What a run made out of another one does otherwise. */
export interface SecondChance {
  readonly tools: ToolMode;
  /** The model of its own turns, in place of the agents'. */
  readonly model: string | undefined;
  readonly recordings: Recordings;
}

/** One SDK run inside the hop: the hop's own, a nested agent's, a guardrail's. Its model calls follow one another. */
export interface Frame {
  readonly id: string;
  readonly used: Set<number>;
  /** Indexes of journaled model calls that this attempt has not met yet. */
  readonly unreplayed: Set<number>;
  readonly occurrences: Map<string, number>;
  /** The latest tool calls, from which a loop is told. */
  readonly calls: Array<{ readonly tool: string; readonly call: string }>;
  /** Tools whose repeats are allowed. */
  readonly repeatable: Set<string>;
  /** The function tools of the agent that asks the model now, as their author made them. */
  readonly tools: Map<string, FunctionTool>;
  /** For the run of an agent used as a tool: the frame that called it, which goes on only when it has ended. */
  readonly caller: Frame | undefined;
  /** What its latest model call was answered; absent while it is made. */
  answered?: { readonly key: string; readonly text: string };
}

/** An answer that is at fault for an error: it is to be rejected, and sampled anew with the reason. */
export interface BadAnswer extends Rejection {
  readonly key: string;
}

/** The code changed under the run: what it asks the model now is not what the journal answers. */
export class ReplayDivergedError extends Error {
  override readonly name = "ReplayDivergedError";
}

export class HopState {
  readonly identity: HopIdentity;
  readonly journal: HopJournal;
  readonly live: HopLiveText;
  readonly context: TrackedContext;
  readonly clock: Clock;
  /** Aborted with an AbortReason from outside, or by `fail` from inside. */
  readonly signal: AbortSignal;
  /** True for a failure that another attempt may survive: it must reach the worker even out of a nested agent. */
  readonly isRetryable: (error: unknown) => boolean;
  readonly secondChance: SecondChance;
  /** What people decided, by call id or by loop. */
  readonly decisions: ReadonlyMap<string, Decided>;
  readonly repeats: Required<RepeatLimits> | undefined;
  provider!: ModelProvider;
  runner!: Runner;
  /** What of the decisions on tool calls counts. */
  people!: HopDecisions;
  readonly #badAnswers = new WeakMap<object, BadAnswer>();
  handoff: { readonly filtered: boolean; readonly arguments: string } | undefined;
  /** What the hop generated, as it was before the handoff's filter rewrote it. */
  unfiltered: readonly AgentInputItem[] | undefined;
  /** So many of the first items that the top of the hop shows its model were there before it. */
  inherited = 0;
  /** Tokens of the last top-level model call, as the provider counted them. */
  contextTokens = 0;
  #fatal: { readonly error: unknown } | undefined;
  readonly #controller = new AbortController();
  readonly #frames = new Map<string, Frame>();

  constructor(parts: {
    identity: HopIdentity;
    journal: HopJournal;
    live: HopLiveText;
    context: TrackedContext;
    clock: Clock;
    signal: AbortSignal;
    isRetryable: (error: unknown) => boolean;
    secondChance: SecondChance;
    decisions: ReadonlyMap<string, Decided>;
    entry: { readonly repeats: Required<RepeatLimits> | undefined };
  }) {
    this.identity = parts.identity;
    this.journal = parts.journal;
    this.live = parts.live;
    this.context = parts.context;
    this.clock = parts.clock;
    this.isRetryable = parts.isRetryable;
    this.signal = this.#controller.signal;
    // Not AbortSignal.any, which holds its sources weakly: the collector pays for that with every attempt. Both signals end with the attempt.
    const stop = (): void => this.#controller.abort(parts.signal.reason);
    if (parts.signal.aborted) stop();
    else parts.signal.addEventListener("abort", stop);
    this.secondChance = parts.secondChance;
    this.decisions = parts.decisions;
    this.repeats = parts.entry.repeats;
    for (const key of parts.journal.entries.keys()) {
      const match = /^m:([^:]+):(\d+)$/.exec(key);
      if (match !== null) this.frame(match[1] ?? TOP_FRAME).unreplayed.add(Number(match[2]));
    }
  }

  frame(id: string, caller?: Frame): Frame {
    const known = this.#frames.get(id);
    if (known !== undefined && (caller === undefined || known.caller === caller)) return known;
    const counted = { calls: [], repeatable: new Set<string>(), tools: new Map<string, FunctionTool>() };
    const fresh = { used: new Set<number>(), unreplayed: new Set<number>(), occurrences: new Map<string, number>(), ...counted };
    const frame: Frame = { ...fresh, ...known, id, caller };
    this.#frames.set(id, frame);
    return frame;
  }

  /**
   * The frame of an agent used as a tool: its id follows from the call that made it, whose id is journaled. So it is the same when the
   * nested run goes on after an approval, for two calls with the same input, and when its input is built from something that changes.
   */
  calledFrame(caller: Frame, callId: string, agentName: string): Frame {
    return this.frame(`${sha256(`${caller.id}|${callId}|${agentName}`).slice(0, 12)}.0`, caller);
  }

  /**
   * The frame of an SDK run that a guardrail or a tool's own code starts. Its id follows from who runs and on what, so that parallel nested runs meet
   * their own journal again whatever the order in which they start.
   */
  childFrame(parent: Frame, agentName: string, input: string | AgentInputItem[]): Frame {
    const name = sha256(`${parent.id}|${agentName}|${canonicalJson(input)}`).slice(0, 12);
    const occurrence = parent.occurrences.get(name) ?? 0;
    parent.occurrences.set(name, occurrence + 1);
    return this.frame(`${name}.${occurrence}`);
  }

  /** The place of the next model call: the lowest that is free, so that a call given back is asked again under the same key. */
  takeCall(frame: Frame): { readonly index: number; readonly key: string } {
    let index = 0;
    while (frame.used.has(index)) index += 1;
    frame.used.add(index);
    return { index, key: modelKey(frame.id, index) };
  }

  /** Remembers which answer was the last before an SDK run failed: if that answer is at fault, it is the one to reject. */
  blame(error: unknown, frame: Frame, why: (text: string) => string): void {
    const { answered } = frame;
    if (typeof error !== "object" || error === null || answered === undefined || this.#badAnswers.has(error)) return;
    this.#badAnswers.set(error, { key: answered.key, answer: answered.text, reason: why(answered.text) });
  }

  /** @param error as the hop's run threw it; the error of a nested run may be wrapped in it */
  blamed(error: unknown): BadAnswer | undefined {
    if (typeof error !== "object" || error === null) return undefined;
    return ("error" in error ? this.blamed(error.error) : undefined) ?? this.#badAnswers.get(error);
  }

  /** The hop's own turn at which it is, counted from 0; what runs before the first one belongs to it. */
  get turn(): number {
    return Math.max(0, this.frame(TOP_FRAME).used.size - 1);
  }

  /** Stops the attempt from inside: the SDK would turn an error in a nested agent into text for the model. The first one counts. */
  fail(error: unknown): void {
    if (this.#fatal !== undefined) return;
    this.#fatal = { error };
    this.#controller.abort(error);
  }

  get fatal(): { readonly error: unknown } | undefined {
    return this.#fatal;
  }

  at(): { readonly atMs: number; readonly hop: number; readonly agent: string } {
    return { atMs: this.clock.nowMs(), hop: this.identity.hop, agent: this.identity.agent };
  }

  /** Writes a fact; a store that cannot answer stops the attempt, for what was not journaled must not be built upon. */
  async write(entry: Parameters<HopJournal["write"]>[0] & { readonly event: RunEvent | undefined }): Promise<string> {
    try {
      return await this.journal.write(entry);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }
}

export interface Call {
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly runId: string;
  readonly callId: string;
  readonly attempt: number;
  readonly tenant: string;
}

export interface Scope {
  readonly hop: HopState;
  readonly frame: Frame;
  readonly call: Call | undefined;
  /** Set between the call of an agent used as a tool and the start of its run. */
  readonly agentCallId?: string | undefined;
}

const scopes = new AsyncLocalStorage<Scope>();

export const currentScope = (): Scope | undefined => scopes.getStore();

/** Whose model call it is, and how much of what it asks was there before the hop. */
export function currentCaller(): (HopIdentity & { readonly inherited: number }) | undefined {
  const scope = currentScope();
  if (scope === undefined) return undefined;
  // A nested agent begins with what it is given by its caller.
  return { ...scope.hop.identity, inherited: scope.frame.id === TOP_FRAME ? scope.hop.inherited : 0 };
}
export const runInScope = <T>(scope: Scope, work: () => T): T => scopes.run(scope, work);

/**
 * The tool call that is running, for a tool's own use: its idempotency key (the same in every attempt) and its signal.
 * Undefined outside a tool, and outside a fleet.
 */
export const currentCall = (): Call | undefined => scopes.getStore()?.call;

/** @throws FleetError AGENT_INVALID when called outside a hop. */
export function requireScope(): Scope {
  const scope = scopes.getStore();
  if (scope === undefined) throw new FleetError("AGENT_INVALID", "This agent lives in other workers and runs only inside a fleet.");
  return scope;
}
