/**
 * Keeps one worker process (the child) alive, and takes back what it held the moment it is dead: the next attempt need not wait for the
 * lease. It never loads the Agents SDK or the user's code, so that what kills the child does not kill it.
 *
 *   start ──▶ started ──▶ dead ──▶ take back its runs ──▶ wait (1 s … 30 s) ──▶ start …
 *
 * A hint, never an authority: the store takes a run only from the attempt that still holds it (I2). What the supervisor does not know, or
 * what dies together with it, is left to the lease (docs/decisions/0007-supervised-workers.md).
 */
import type { Clock } from "../clock.ts";
import { FleetError } from "../protocol/errors.ts";
import type { HeldRun } from "../protocol/attempt.ts";
import type { Log } from "../telemetry/log.ts";
import type { Child, ChildEnd } from "./supervisor-child.ts";
import type { FromChild, Started } from "./supervisor-messages.ts";

export interface SupervisorDeps {
  startChild(onMessage: (message: FromChild) => void): Child;
  /** Takes the runs back and offers them to the queue. Resolves with how many are runnable again. */
  takeBack(held: readonly HeldRun[], worker: Started): Promise<number>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SupervisorOptions {
  /** The pause before the first restart; it doubles with each crash. Milliseconds. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** After this long without a crash the pause begins anew. Milliseconds. */
  readonly healthyAfterMs: number;
  /** So many crashes within so many milliseconds end the supervisor. */
  readonly maxCrashes: number;
  readonly crashWindowMs: number;
  /** How long the child may take to end after the first and after the second wish before it is killed. Milliseconds. */
  readonly killAfterMs: number;
  readonly killAtOnceAfterMs: number;
  /** Exit codes of a start-up that may go better next time, if an earlier one went well: Redis was away. */
  readonly passingCodes: readonly number[];
}

export const SUPERVISOR_DEFAULTS: SupervisorOptions = {
  backoffMs: 1_000,
  maxBackoffMs: 30_000,
  healthyAfterMs: 60_000,
  maxCrashes: 10,
  crashWindowMs: 5 * 60_000,
  // The child's own grace of 25 s and each step of its closing.
  killAfterMs: 45_000,
  killAtOnceAfterMs: 15_000,
  passingCodes: [],
};

export interface Supervisor {
  /** Resolves with the exit code. @throws FleetError WORKER_CRASHED */
  readonly ended: Promise<number>;
  /** Once: the child finishes its durable steps. Twice: it releases at once. */
  stop(): void;
}

/** One child, from its start to its end. */
interface Life {
  readonly child: Child;
  /** By token. */
  readonly held: Map<string, HeldRun>;
  worker: Started | undefined;
  startedAtMs: number;
}

const FAILED = 1;

export function startSupervisor(deps: SupervisorDeps, given: Partial<SupervisorOptions> = {}): Supervisor {
  const options = { ...SUPERVISOR_DEFAULTS, ...given };
  const stopping = new AbortController();
  let wishes = 0;
  let present: Life | undefined;
  const passOn = ({ child }: Life): void => {
    child.send({ type: "stop", atOnce: wishes > 1 });
    const patience = new AbortController();
    void child.ended.then(() => patience.abort());
    void deps.clock.sleep(wishes > 1 ? options.killAtOnceAfterMs : options.killAfterMs, patience.signal).then(() => {
      if (!patience.signal.aborted) child.kill();
    });
  };
  const ended = keepAlive(deps, options, stopping.signal, (life) => {
    present = life;
    if (life !== undefined && wishes > 0) passOn(life);
  });
  return {
    ended,
    stop() {
      wishes += 1;
      stopping.abort();
      if (present !== undefined) passOn(present);
    },
  };
}

async function keepAlive(
  deps: SupervisorDeps,
  options: SupervisorOptions,
  stopping: AbortSignal,
  onLife: (life: Life | undefined) => void,
): Promise<number> {
  const { clock, log } = deps;
  const crashes = createCrashes(options);
  let everStarted = false;
  for (;;) {
    const life = startLife(deps);
    onLife(life);
    const end = await life.child.ended;
    onLife(undefined);
    const takenBack = takeBack(deps, life, end);
    const isOver = stopping.aborted || isLastStartUp(life, end, everStarted, options);
    everStarted ||= life.worker !== undefined;
    if (isOver) {
      await takenBack;
      return end.code ?? FAILED;
    }
    const pauseMs = crashes.count(life, clock.nowMs());
    log.warn({ event: "child.crashed", pid: life.child.pid, how: end.how, held: life.held.size, pauseMs }, "the worker's process ended");
    if (pauseMs === undefined) {
      await takenBack;
      throw givenUp(end, options);
    }
    // The pause is for the child; the runs do not wait for it.
    await Promise.all([clock.sleep(pauseMs, stopping), takenBack]);
    if (stopping.aborted) return 0;
  }
}

function startLife({ startChild, clock, log }: SupervisorDeps): Life {
  const held = new Map<string, HeldRun>();
  const child = startChild((message) => {
    if (message.type === "started") {
      const { type: _type, ...worker } = message;
      Object.assign(life, { worker, startedAtMs: clock.nowMs() });
      return;
    }
    for (const run of message.added) held.set(run.token, run);
    for (const token of message.removed) held.delete(token);
  });
  const life: Life = { child, held, worker: undefined, startedAtMs: clock.nowMs() };
  log.info({ event: "child.started", pid: child.pid }, "the worker's process was started");
  return life;
}

/** A start-up that was refused has told its error already, and the next would be refused the same way. */
function isLastStartUp({ worker }: Life, { code }: ChildEnd, everStarted: boolean, { passingCodes }: SupervisorOptions): boolean {
  return worker === undefined && code !== null && !(everStarted && passingCodes.includes(code));
}

async function takeBack({ takeBack: take, log }: SupervisorDeps, { held, worker }: Life, { code }: ChildEnd): Promise<void> {
  const hasReleasedAll = code === 0 && held.size === 0;
  if (worker === undefined || hasReleasedAll) return;
  try {
    const runnable = await take([...held.values()], worker);
    if (held.size > 0)
      log.warn({ event: "runs.taken-back", workerId: worker.workerId, held: held.size, runnable }, "its runs go on elsewhere");
  } catch (err) {
    log.warn({ event: "runs.not-taken-back", workerId: worker.workerId, held: held.size, err }, "its runs are left to their leases");
  }
}

/** Tells the pause before the next start in milliseconds, or undefined when there were too many crashes. */
function createCrashes({ backoffMs, maxBackoffMs, healthyAfterMs, maxCrashes, crashWindowMs }: SupervisorOptions) {
  let inRow = 0;
  let recent: number[] = [];
  return {
    count(life: Life, nowMs: number): number | undefined {
      recent = [...recent.filter((atMs) => atMs > nowMs - crashWindowMs), nowMs];
      const wasHealthy = life.worker !== undefined && nowMs - life.startedAtMs >= healthyAfterMs;
      inRow = wasHealthy ? 1 : inRow + 1;
      return recent.length >= maxCrashes ? undefined : Math.min(backoffMs * 2 ** (inRow - 1), maxBackoffMs);
    },
  };
}

function givenUp({ how }: ChildEnd, { maxCrashes, crashWindowMs }: SupervisorOptions): FleetError {
  const minutes = Math.round(crashWindowMs / 60_000);
  return new FleetError("WORKER_CRASHED", `The worker's process ended ${maxCrashes} times within ${minutes} minutes, at last by ${how}.`, {
    at: "flotilla worker",
    remedy: "read what it said above; `flotilla worker --no-supervise` runs it alone",
  });
}
