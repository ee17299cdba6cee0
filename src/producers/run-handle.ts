/** One run as its producer sees it. Holds no connection of its own, and nothing that must be closed. */
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import { type FollowedEvent, isFinalEvent } from "../protocol/events.ts";
import { encodeJson } from "../protocol/json.ts";
import { LIMITS } from "../protocol/limits.ts";
import { GONE_AFTER_MS } from "../protocol/registry.ts";
import type { Retention } from "../protocol/retention.ts";
import { isFinal, type RunErrorInfo, type RunInfo, type RunResult } from "../protocol/run.ts";
import type { PauseNote, PauseReply, ResumeReply } from "../protocol/pause.ts";
import type { CancelReply, PlainResolution, Resolution } from "../protocol/people.ts";
import type { LiveText, RunStore } from "../protocol/run-store.ts";
import { wakeFollower, type WakeQueue } from "../protocol/wake-queue.ts";
import { reach } from "./backend.ts";
import { createBell } from "./bell.ts";
import { type ApproveOptions, decideCall, type RejectOptions, settleReply } from "./decide.ts";
import { EVENTS_PER_READ, type FollowOptions, checkTenant, follow, requireRun } from "./follow.ts";
import { parsePauseNote } from "./pause-scopes.ts";
import type { Draft, ForkOptions, ReplayOptions, RetryOptions, SecondChances } from "./second-chances.ts";
import type { FleetOutput, FleetResult, FleetTypes } from "./types.ts";

export interface RunDeps {
  readonly store: RunStore;
  readonly live: LiveText;
  readonly queue: WakeQueue;
  readonly clock: Clock;
  /** How long a run that is ended from here stays readable. */
  readonly retentionMs: Retention;
  /** Whose run it must be; another's is answered as one that is not there. Default: anybody's. */
  readonly tenant: string | undefined;
  readonly secondChances: SecondChances;
  /** Submits what a second chance made; resolves with the run's id. */
  readonly accept: (draft: Draft) => Promise<string>;
}

/** A person's word on what nobody can tell from the record. */
export type HandleResolution =
  /** Of a call whose effect is unknown: it happened, and the tool had answered this. */
  { readonly type: "ran"; readonly result: unknown } | PlainResolution;

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
}

export interface RunStatusReport extends RunInfo {
  /** False when no live worker holds the run's agent: it will wait until one comes. */
  readonly liveWorker: boolean;
}

export interface RunHandle<A extends FleetTypes = FleetTypes> {
  readonly id: string;
  /** The record as it is now. @throws FleetError RUN_UNKNOWN, RUN_EXPIRED, BACKEND_UNREACHABLE, as every method here. */
  status(): Promise<RunStatusReport>;
  /** Durable events with live text between them, until the final one. Continue with `after: event.cursor`. */
  events(options?: FollowOptions): AsyncIterable<FollowedEvent>;
  /** Text as it is made. A turn that was sampled anew begins on a new line; use `events` to redraw instead. */
  text(options?: Pick<FollowOptions, "signal">): AsyncIterable<string>;
  /** Waits for the end. Rejects only when the wait fails: a failed run is a result. */
  result(options?: WaitOptions): Promise<FleetResult<A>>;
  /** The completed run's output. @throws RunError when it ended otherwise. */
  output(options?: WaitOptions): Promise<FleetOutput<A>>;
  /** Ends the run as `cancelled`. `requested`: it is running, was told, and ends soon. Asking twice changes nothing. */
  cancel(): Promise<Exclude<CancelReply, { status: "unknown" }>>;
  /** Holds the run back: what is running finishes its present step. Its deadline goes on. @throws FleetError INPUT_INVALID. */
  pause(note: PauseNote): Promise<Exclude<PauseReply, { status: "unknown" }>>;
  /** Takes the run's own pause back. */
  resume(): Promise<Resumed>;
  /** Says what became of a call whose effect is unknown; without a call, of a diverged replay or a loop. @throws FleetError DECISION_NOT_OPEN, INPUT_TOO_LARGE. */
  resolve(callId: string | undefined, resolution: HandleResolution): Promise<void>;
  /** Lets a waiting tool call run, with `arguments` in place of the model's where given. @throws FleetError DECISION_NOT_OPEN, INPUT_INVALID, INPUT_TOO_LARGE. */
  approve(callId: string, options?: ApproveOptions): Promise<void>;
  /** Refuses a waiting tool call; the model is told the reason. @throws FleetError as `approve`. */
  reject(callId: string, options?: RejectOptions): Promise<void>;
  /**
   * Carries a run on that ended without an output, from the hop that failed: what that hop paid for is kept. A run is carried on once: again
   * answers with the same run. @throws FleetError RUN_LIVE, RUN_COMPLETED, RUN_EXPIRED, HOP_UNRECORDED and those of submit.
   */
  retry(options?: RetryOptions): Promise<RunHandle<A>>;
  /** Starts anew, with another input or context if given. @throws FleetError as `retry`. */
  replay(options?: ReplayOptions): Promise<RunHandle<A>>;
  /** Goes on in a copy from any turn on, such as with another model. The run itself may still be live. @throws FleetError as `retry`. */
  fork(options: ForkOptions): Promise<RunHandle<A>>;
}

/** `held`: the run's agent or tenant is paused as well, and holds it on. */
export type Resumed = { readonly status: "resumed" } | Exclude<ResumeReply, { readonly status: "resumed" | "unknown" }>;

/** A run ended without an output; `result` says how. */
export class RunError extends FleetError {
  readonly result: Exclude<RunResult, { status: "completed" }>;

  constructor(result: Exclude<RunResult, { status: "completed" }>) {
    const why = "error" in result ? `: ${result.error.code} ${result.error.message}` : "";
    super("RUN_NOT_COMPLETED", `Run ${result.runId} ended as ${result.status} in agent ${result.agent}${why}`, {
      at: result.runId,
      remedy: `see its way with \`flotilla runs show ${result.runId}\``,
    });
    this.result = result;
  }
}

export function createRunHandle<A extends FleetTypes = FleetTypes>(deps: RunDeps, id: string): RunHandle<A> {
  const { store, queue, clock, retentionMs, tenant, secondChances, accept } = deps;
  const handleOf = async (asked: Promise<Draft>): Promise<RunHandle<A>> => {
    const draft = await asked;
    return createRunHandle<A>(tenant === undefined ? deps : { ...deps, tenant: draft.tenant }, await accept(draft));
  };

  const result = async (options: WaitOptions = {}): Promise<RunResult> => resultOf(store, await waitForEnd(deps, id, options));

  /** A run never changes its tenant, so what is asked for after this is asked of the right one (I11). */
  const checkOwn = (): Promise<void> => checkTenant(store, id, tenant);
  const within = <O extends { readonly tenant?: string | undefined }>(options: O): O =>
    tenant === undefined || options.tenant !== undefined ? options : { ...options, tenant };

  /** A reply about a run that is there. */
  const known = async <R extends { readonly status: string }>(
    ask: () => Promise<R>,
  ): Promise<Exclude<R, { readonly status: "unknown" }>> => {
    await checkOwn();
    const reply = await reach(ask());
    if (isKnown(reply)) return reply;
    await requireRun(store, id);
    throw new FleetError("RUN_EXPIRED", `Run ${id} went away in this moment.`, { at: id });
  };

  return {
    id,
    async status() {
      const info = await requireRun(store, id, tenant);
      const workers = await reach(store.workers());
      const aliveSinceMs = clock.nowMs() - GONE_AFTER_MS;
      return { ...info, liveWorker: workers.some((worker) => worker.seenAtMs > aliveSinceMs && worker.agents.includes(info.agent)) };
    },
    events: (options = {}) => follow(deps, id, options),
    text: ({ signal } = {}) => textOf(follow(deps, id, { signal })),
    result,
    async output(options) {
      const ended = await result(options);
      if (ended.status !== "completed") throw new RunError(ended);
      return ended.output;
    },
    async cancel() {
      const reply = await known(() => store.cancel(id, retentionMs));
      if (reply.status !== "cancelled") return reply;
      // It has not begun, so no attempt of it can have died. What fails here, the reconciler does.
      const policy = { retentionMs, maxDeaths: Number.MAX_SAFE_INTEGER };
      if (reply.follower !== undefined) await wakeFollower(deps, reply.follower, policy).catch(() => undefined);
      return { status: reply.status };
    },
    pause: async (note) => {
      const parsed = parsePauseNote(note);
      return known(() => store.pause(id, parsed));
    },
    async resume() {
      const reply = await known(() => store.resume(id));
      if (reply.status !== "resumed") return reply;
      if (reply.next !== undefined) await queue.add([reply.next]).catch(() => undefined);
      return { status: reply.status };
    },
    async resolve(callId, resolution) {
      const stored = storedResolution(resolution);
      await checkOwn();
      await settleReply(deps, id, store.resolve(id, callId, stored, retentionMs));
    },
    approve: (callId, options = {}) => decideCall(deps, id, callId, true, options),
    reject: (callId, options = {}) => decideCall(deps, id, callId, false, options),
    retry: (options = {}) => handleOf(secondChances.retry(id, within(options))),
    replay: (options = {}) => handleOf(secondChances.replay(id, within(options))),
    fork: (options) => handleOf(secondChances.fork(id, within(options))),
  };
}

const isKnown = <R extends { readonly status: string }>(reply: R): reply is Exclude<R, { readonly status: "unknown" }> =>
  reply.status !== "unknown";

/** Waits without reading live text: only new durable events cost a read of the record. */
async function waitForEnd({ store, clock, tenant }: RunDeps, id: string, { signal, timeoutMs }: WaitOptions): Promise<RunInfo> {
  const bell = createBell(clock);
  const ring = (): void => bell.ring();
  const deadlineMs = timeoutMs === undefined ? undefined : clock.nowMs() + timeoutMs;
  const timer = new AbortController();
  const unwatch = await reach(store.watch(id, ring));
  signal?.addEventListener("abort", ring, { once: true });
  if (timeoutMs !== undefined) void clock.sleep(timeoutMs, timer.signal).then(ring);
  try {
    let afterId = "0-0";
    let checkRecord = true;
    for (;;) {
      if (signal?.aborted) throw waitAborted(id, "by its signal");
      if (checkRecord) {
        const info = await requireRun(store, id, tenant);
        if (isFinal(info.status)) return info;
      }
      if (deadlineMs !== undefined && clock.nowMs() >= deadlineMs) throw waitAborted(id, `after ${timeoutMs} ms`);
      const rang = await bell.wait();
      const news = await readNews(store, id, afterId);
      afterId = news.lastId;
      checkRecord = !rang || news.final;
    }
  } finally {
    timer.abort();
    signal?.removeEventListener("abort", ring);
    await unwatch();
  }
}

async function readNews(store: RunStore, id: string, afterId: string): Promise<{ lastId: string; final: boolean }> {
  let lastId = afterId;
  for (;;) {
    const events = await reach(store.events(id, lastId, EVENTS_PER_READ));
    if (events.some(({ event }) => isFinalEvent(event))) return { lastId, final: true };
    lastId = events.at(-1)?.id ?? lastId;
    if (events.length < EVENTS_PER_READ) return { lastId, final: false };
  }
}

async function resultOf(store: RunStore, info: RunInfo): Promise<RunResult> {
  const { status, runId, agent, usage } = info;
  if (status === "completed") return { status, runId, agent, usage, output: await reach(store.output(runId)) };
  if (status === "cancelled" || status === "expired") return { status, runId, agent, usage };
  const error: RunErrorInfo = info.error ?? { code: "RUN_CRASHED", message: "The record holds no reason." };
  if (status === "failed") return { status, runId, agent, usage, error };
  // A record of a release that kept no more than the guardrail's name, as the code.
  if (status === "blocked")
    return { status, runId, agent, usage, error, guardrail: error.guardrail ?? { name: error.code, kind: "input" } };
  if (status === "refused") return { status, runId, agent, usage, error };
  throw new Error(`Run ${runId} was taken for final while ${status}.`);
}

async function* textOf(events: AsyncIterable<FollowedEvent>): AsyncGenerator<string, void> {
  let begun = false;
  let newLine = false;
  for await (const event of events) {
    // What was shown stands: text of another turn, or of one sampled anew, begins below it.
    if (event.type === "turn.restarted" || event.type === "turn.completed") newLine = begun;
    if (event.type !== "text.delta") continue;
    yield newLine ? `\n${event.text}` : event.text;
    begun = true;
    newLine = false;
  }
}

function storedResolution(resolution: HandleResolution): Resolution {
  if (resolution.type !== "ran") return resolution;
  return { type: "ran", resultJson: encodeJson(resolution.result, { at: "result", maxBytes: LIMITS.stepBytes }) };
}

const waitAborted = (id: string, how: string): FleetError =>
  new FleetError("WAIT_ABORTED", `The wait for run ${id} was ended ${how}; the run goes on.`, {
    at: id,
    remedy: `attach again with \`flotilla runs tail ${id}\``,
  });
