/** Submits the jobs one after the other and waits for their ends through the public producer, while people answer what waits for them. */
import type { SubmitOptions } from "../../src/producer.ts";
import { isFleetError } from "../../src/protocol/errors.ts";
import { DEFAULT_TENANT } from "../../src/protocol/ids.ts";
import type { RunInfo } from "../../src/protocol/run.ts";
import type { RunEvidence, TalkEvidence } from "./evidence.ts";
import { inputOf, type Job } from "./jobs.ts";
import { answerWhatWaits, cancelLater, type Tracked } from "./people.ts";
import type { Stage } from "./stage.ts";
import { stepsOf } from "./steps.ts";
import { linesOf } from "./transcript.ts";

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
  /** What is kept of the conversations now. */
  talks(): Promise<readonly TalkEvidence[]>;
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
const ANSWER_EVERY_MS = 400;
/** After the last fault a run may take this long: more than two leases, a retry and a look of the reconciler. */
const DRAIN_MS = 90_000;
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
    talks: () => Promise.all([...new Set(jobs.flatMap(({ talk = [] }) => talk))].map((id) => talkOf(state, id))),
  };
}

async function workThrough(state: State, jobs: readonly Job[], limit: () => number): Promise<void> {
  const { clock } = state.stage;
  const ending = new AbortController();
  const answering = answerAll(state, ending.signal);
  for (const job of jobs) {
    while (state.tracked.length >= limit()) await clock.sleep(LOOK_MS);
    // The next one is submitted when this one is acknowledged: that is the order of the turns.
    const runId = await submit(state, job);
    const tracked: Tracked = { job, runId, resolved: { ran: 0, notRun: 0 }, decisions: [], cancel: undefined };
    state.tracked.push(tracked);
    state.open.add(waitForEnd(state, runId));
    if (job.cancelAfterMs !== undefined) state.open.add(cancelLater(state.stage, tracked, job.cancelAfterMs, () => state.giveUpAtMs));
  }
  await Promise.all(state.open);
  ending.abort();
  await answering;
}

/** Until it is taken: a submit that got no answer may have been stored, and the key finds it. */
async function submit(state: State, job: Job): Promise<string> {
  const { producer, clock } = state.stage;
  for (;;) {
    try {
      const run = await producer.submit(AGENT, inputOf(job), optionsOf(job));
      return run.id;
    } catch (error) {
      if (!isFleetError(error) || !["REDIS_MEMORY_FULL", "BACKEND_UNREACHABLE"].includes(error.code)) throw error;
      if (clock.nowMs() > state.giveUpAtMs) throw error;
      state.refused += 1;
      await clock.sleep(LOOK_MS);
    }
  }
}

const optionsOf = ({ number, talk }: Job): SubmitOptions => ({
  idempotencyKey: `job-${number}`,
  metadata: { job: number },
  ...(talk === undefined ? {} : { conversation: talk }),
});

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

async function answerAll(state: State, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await state.stage.clock.sleep(ANSWER_EVERY_MS, signal);
    await answerWhatWaits(state.stage, state.tracked, state.drainedAtMs);
  }
}

async function collect({ stage }: State, tracked: Tracked): Promise<RunEvidence> {
  const { job, runId } = tracked;
  const info = await stage.producer.store.get(runId);
  const again = await stage.producer.submit(AGENT, inputOf(job), optionsOf(job));
  const isCompleted = info?.status === "completed";
  return {
    ...tracked,
    foundByKey: again.id,
    status: info === undefined ? "missing" : statusText(info),
    output: isCompleted ? await stage.producer.store.output(runId) : undefined,
    steps: info === undefined ? [] : await stepsOf(stage.producer, runId),
  };
}

async function talkOf({ stage }: State, id: string): Promise<TalkEvidence> {
  const turns = await stage.producer.store.conversations.turns({ tenant: DEFAULT_TENANT, id });
  return { id, turns: turns.map(({ id: runId, itemsJson }) => ({ runId, lines: linesOf(JSON.parse(itemsJson)) })) };
}

const statusText = ({ status, suspension, error }: RunInfo): string =>
  status === "completed" ? status : [status, suspension, error?.code, error?.message].filter((part) => part !== undefined).join(" ");
