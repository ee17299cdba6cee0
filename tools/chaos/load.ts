/** Submits the jobs, waits for their ends through the public producer, and answers for lost calls with what the effects file says. */
import { FleetError, isFleetError } from "../../src/protocol/errors.ts";
import type { RunInfo } from "../../src/protocol/run.ts";
import { readEffects } from "./effects.ts";
import type { RunEvidence, RunStep } from "./evidence.ts";
import { inputOf, type Job, TOOLS, toolResult } from "./jobs.ts";
import type { Stage } from "./stage.ts";

export interface Load {
  readonly accepted: number;
  readonly finished: number;
  /** Submits that were refused or not answered, and sent again with the same key. */
  readonly refused: number;
  /** Jobs may be submitted up to this number; it grows with the faults, so that there is work at each of them. */
  allowed: number;
  /** From now on no fault comes any more: what is not over after a while is lost. */
  drain(): void;
  /** Resolves when every run is over, or was given up. */
  readonly done: Promise<void>;
  /** What is there of the runs now. */
  collect(): Promise<readonly RunEvidence[]>;
}

interface Tracked {
  readonly job: Job;
  readonly runId: string;
  readonly resolved: { ran: number; notRun: number };
}

interface State {
  readonly stage: Stage;
  readonly tracked: Tracked[];
  readonly open: Set<Promise<void>>;
  refused: number;
  finished: number;
  /** When the last fault was over. */
  drainedAtMs: number;
  giveUpAtMs: number;
}

const AGENT = "opener";
const LOOK_MS = 10;
const RESOLVE_EVERY_MS = 400;
/** After the last fault a run may take this long: more than two leases, a retry and a look of the reconciler. */
const DRAIN_MS = 90_000;
/** A process that lives, and did not enter the tool for so long after the last fault, will not. */
const QUIET_MS = 10_000;
/** A wait is cut into pieces, so that giving up and an outage are noticed. */
const WAIT_MS = 5_000;

export function startLoad(stage: Stage, jobs: readonly Job[], window: number): Load {
  const state: State = {
    stage,
    tracked: [],
    open: new Set(),
    refused: 0,
    finished: 0,
    drainedAtMs: Number.POSITIVE_INFINITY,
    giveUpAtMs: Number.POSITIVE_INFINITY,
  };
  const load = { allowed: 0 };
  const done = workThrough(state, jobs, () => Math.min(load.allowed, state.finished + window));
  return {
    get accepted() {
      return state.tracked.length;
    },
    get finished() {
      return state.finished;
    },
    get refused() {
      return state.refused;
    },
    get allowed() {
      return load.allowed;
    },
    set allowed(next) {
      load.allowed = next;
    },
    drain() {
      state.drainedAtMs = stage.clock.nowMs();
      state.giveUpAtMs = state.drainedAtMs + DRAIN_MS;
    },
    done,
    collect: () => Promise.all(state.tracked.map((tracked) => collect(state, tracked))),
  };
}

async function workThrough(state: State, jobs: readonly Job[], limit: () => number): Promise<void> {
  const { clock } = state.stage;
  const ending = new AbortController();
  const resolving = resolveLostCalls(state, ending.signal);
  for (const job of jobs) {
    while (state.tracked.length >= limit()) await clock.sleep(LOOK_MS);
    const tracked: Tracked = { job, runId: await submit(state, job), resolved: { ran: 0, notRun: 0 } };
    state.tracked.push(tracked);
    state.open.add(waitForEnd(state, tracked.runId));
  }
  await Promise.all(state.open);
  ending.abort();
  await resolving;
}

/** Until it is taken: a submit that got no answer may have been stored, and the key finds it. */
async function submit(state: State, job: Job): Promise<string> {
  const { producer, clock } = state.stage;
  for (;;) {
    try {
      const run = await producer.submit(AGENT, inputOf(job), { idempotencyKey: keyOf(job), metadata: { job: job.number } });
      return run.id;
    } catch (error) {
      if (!isFleetError(error) || !["REDIS_MEMORY_FULL", "BACKEND_UNREACHABLE"].includes(error.code)) throw error;
      if (clock.nowMs() > state.giveUpAtMs) throw error;
      state.refused += 1;
      await clock.sleep(LOOK_MS);
    }
  }
}

const keyOf = ({ number }: Job): string => `job-${number}`;

async function waitForEnd(state: State, runId: string): Promise<void> {
  const { producer, clock } = state.stage;
  while (clock.nowMs() < state.giveUpAtMs) {
    try {
      await producer.run(runId).result({ timeoutMs: WAIT_MS });
      state.finished += 1;
      return;
    } catch (error) {
      if (!isFleetError(error)) throw error;
      // The run is gone, and no patience brings it back; it is counted when its evidence is collected.
      if (error.code === "RUN_UNKNOWN" || error.code === "RUN_EXPIRED") return;
      if (error.code === "BACKEND_UNREACHABLE") await clock.sleep(LOOK_MS);
    }
  }
}

async function resolveLostCalls(state: State, signal: AbortSignal): Promise<void> {
  const { producer, clock } = state.stage;
  while (!signal.aborted) {
    await clock.sleep(RESOLVE_EVERY_MS, signal);
    // Redis may be away.
    const suspended = await producer.list({ status: "suspended", limit: 200 }).catch(() => []);
    for (const info of suspended) {
      const tracked = state.tracked.find(({ runId }) => runId === info.runId);
      if (tracked !== undefined && info.suspension === "effect-unknown") await resolveOne(state, tracked, info).catch(passing);
    }
  }
}

/** The late result of the attempt itself, or an outage, may come first; the next look sees what is left. */
function passing(error: unknown): void {
  if (!isFleetError(error) || !["DECISION_NOT_OPEN", "BACKEND_UNREACHABLE", "REDIS_MEMORY_FULL"].includes(error.code)) throw error;
}

/** What a person would do: look whether it happened, and as long as the process that does it may live, wait. */
async function resolveOne(state: State, tracked: Tracked, info: RunInfo): Promise<void> {
  const { producer, effectsFile } = state.stage;
  const run = producer.run(info.runId);
  for (const { callId, tool: name } of info.openIntents) {
    const tool = TOOLS.find((known) => known === name);
    if (tool === undefined) throw new FleetError("INPUT_INVALID", `Expected a lost call of a chaos tool; got ${name}.`, { at: info.runId });
    const key = `${info.runId}/${callId}`;
    if (readEffects(effectsFile).some((line) => line.phase === "effect" && line.key === key)) {
      await run.resolve(callId, { type: "ran", result: toolResult(tool, tracked.job.value) });
      tracked.resolved.ran += 1;
    } else if (await mustBeDead(state, info.runId, key)) {
      await run.resolve(callId, { type: "not-run" });
      tracked.resolved.notRun += 1;
    }
  }
}

/**
 * True when nobody can make the effect any more. A process that stands still, or is cut off from Redis, is alive: it may be in the tool, or
 * about to enter it on an answer that it has not read yet. A person who says `not-run` too early makes the effect twice.
 */
async function mustBeDead({ stage, drainedAtMs }: State, runId: string, key: string): Promise<boolean> {
  const { clock, crew, effectsFile } = stage;
  const lines = readEffects(effectsFile);
  if (lines.some((line) => line.phase === "enter" && line.key === key && crew.isAlive(line.pid))) return false;
  const pids = (await stepsOf(stage, runId)).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  // The last attempt only found the intent open.
  if (!pids.slice(0, -1).some((pid) => crew.isAlive(pid))) return true;
  const standsStillUntilMs = Math.max(drainedAtMs, ...lines.filter(({ phase }) => phase === "block").map(({ atMs, ms }) => atMs + ms));
  return clock.nowMs() > standsStillUntilMs + QUIET_MS;
}

const EVENTS_LIMIT = 2_000;

async function stepsOf({ producer }: Stage, runId: string): Promise<RunStep[]> {
  const stored = await producer.store.events(runId, "0-0", EVENTS_LIMIT);
  return stored.map(({ id, event }) => ({
    atMs: Number(id.split("-")[0]),
    type: event.type,
    hop: event.hop,
    ...(event.type === "attempt.started" ? { pid: pidOf(event.worker) } : {}),
    ...(event.type === "turn.completed" ? { turn: event.turn - 1 } : {}),
  }));
}

/** A worker announces itself as `<host>-<pid>-<start>`. */
const pidOf = (worker: string): number => Number(worker.split("-").at(-2));

async function collect({ stage }: State, { job, runId, resolved }: Tracked): Promise<RunEvidence> {
  const info = await stage.producer.store.get(runId);
  const again = await stage.producer.submit(AGENT, inputOf(job), { idempotencyKey: keyOf(job), metadata: { job: job.number } });
  const isCompleted = info?.status === "completed";
  return {
    job,
    runId,
    foundByKey: again.id,
    status: info === undefined ? "missing" : statusText(info),
    output: isCompleted ? await stage.producer.store.output(runId) : undefined,
    steps: info === undefined ? [] : await stepsOf(stage, runId),
    resolved,
  };
}

const statusText = ({ status, suspension, error }: RunInfo): string =>
  status === "completed" ? status : [status, suspension, error?.code, error?.message].filter((part) => part !== undefined).join(" ");
