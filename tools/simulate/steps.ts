/** What the scheduler may do next, and the two stretches of a simulation. */
import { answer, waitingForPeople } from "./people.ts";
import { pauseSomething, resumeSomething } from "./pauses.ts";
import { type Process, producerFor, startAttempt, startFollower, startReconcile, startTakeBack } from "./processes.ts";
import { inputFor, isOver, type Simulation } from "./simulation.ts";
import type { ScenarioRun } from "./scenario.ts";
import { START_MS } from "./scheduler.ts";

const QUEUES = ["default", "slow"] as const;
const ATTEMPTS_AT_ONCE = 4;
const CALM_STEPS = 6_000;
const HOUR_MS = 60 * 60 * 1_000;
const END_AFTER_MS = 19 * 24 * 60 * 60 * 1_000;

/** Runs both stretches. Returns the number of steps. */
export async function runSteps(sim: Simulation): Promise<number> {
  let steps = 0;
  sim.scenario.runs.forEach((run, index) => submit(sim, run, index));
  await sim.scheduler.quiet();
  for (; steps < sim.scenario.stormSteps && sim.monitor.checker.first === undefined; steps++) {
    stormStep(sim);
    await settle(sim);
  }
  sim.chaos.calm();
  // Whoever lost an answer asks again: a submit counts as made when it was answered.
  for (let calm = 0; calm < CALM_STEPS && sim.monitor.checker.first === undefined; calm++, steps++) {
    if (!calmStep(sim)) break;
    await settle(sim);
  }
  return steps;
}

async function settle(sim: Simulation): Promise<void> {
  await sim.scheduler.quiet();
  sim.monitor.look();
  for (const process of sim.processes) if (process.done || process.actor.dead) sim.processes.delete(process);
}

function stormStep(sim: Simulation): void {
  const { random, chaos } = sim;
  if (chaos.strikes("something strikes", 2)) return strike(sim);
  const dice = random.next();
  if (dice < 0.16 && takeWake(sim)) return;
  if (dice < 0.2) return reconcileNow(sim);
  if (dice < 0.25 && answerSomebody(sim)) return;
  if (dice < 0.3) return passTime(sim);
  // A follower's connection is lost at any time; that takes no fault.
  if (dice < 0.32) sim.followers[random.below(sim.followers.length)]?.reconnect();
  // So is a cancel that comes too late.
  if (dice > 0.97 && isOver(sim) && sim.callers === 0) cancelOne(sim);
  if (dice > 0.94 && dice < 0.955 && sim.callers < 4) return pauseOrResume(sim);
  if (goOn(sim)) return;
  passTime(sim);
}

/** A pause, too, is no fault. More is resumed than paused, so that the storm goes on. */
function pauseOrResume(sim: Simulation): void {
  const resumed = sim.random.chance(0.6) ? resumeSomething(sim) : undefined;
  called(sim, resumed ?? pauseSomething(sim));
}

/** One process that waits goes on; which one is the seed's choice. */
function goOn({ scheduler, random }: Simulation): boolean {
  const ready = scheduler.ready();
  const point = ready[random.below(ready.length)];
  if (point === undefined) return false;
  scheduler.go(point);
  return true;
}

function takeWake(sim: Simulation): boolean {
  if (sim.processes.size >= ATTEMPTS_AT_ONCE) return false;
  const first = sim.random.below(2);
  const wake = sim.again.shift() ?? sim.queue.take(QUEUES[first] ?? "default") ?? sim.queue.take(QUEUES[1 - first] ?? "slow");
  if (wake === undefined) return false;
  sim.scheduler.note(`a worker takes ${wake.runId.slice(-2)}:${wake.wake}`);
  sim.processes.add(startAttempt(sim, wake));
  return true;
}

function reconcileNow(sim: Simulation): void {
  if (!sim.reconciles || sim.callers > 3) return;
  called(sim, startReconcile(sim).done);
}

function answerSomebody(sim: Simulation): boolean {
  const waiting = waitingForPeople(sim);
  const run = waiting[sim.random.below(waiting.length)];
  if (run === undefined || sim.callers > 3) return false;
  called(sim, answer(sim, run, sim.chaos.strikes("a person gives up", 2)));
  return true;
}

const called = (sim: Simulation, call: Promise<unknown>): void => {
  sim.callers += 1;
  void call.catch(() => undefined).then(() => (sim.callers -= 1));
};

/** To whatever is next, most of the time; else somewhere: whoever sleeps may wake late. Now and then far beyond a lease. */
function passTime(sim: Simulation): void {
  const { scheduler, random, chaos } = sim;
  const nextMs = Math.min(scheduler.nextAtMs() ?? Number.POSITIVE_INFINITY, nextDispatchMs(sim));
  if (chaos.strikes("time jumps", 2)) scheduler.moveTo(scheduler.nowMs + 6_500 + random.below(20_000));
  else if (random.chance(0.6) && nextMs - scheduler.nowMs < HOUR_MS) scheduler.moveTo(nextMs);
  else scheduler.moveTo(scheduler.nowMs + random.below(2_500));
}

function strike(sim: Simulation): void {
  const { random, processes } = sim;
  const attempts = [...processes];
  const victim = attempts[random.below(attempts.length)];
  const dice = random.below(13);
  if (dice < 7) {
    if (victim !== undefined) strikeProcess(sim, victim, dice);
  } else if (dice < 9) loseOrDouble(sim, random.chance(0.5));
  else if (dice < 11) sim.followers[random.below(sim.followers.length)]?.reconnect();
  else if (dice < 12) submitAgain(sim);
  else if (random.chance(0.5)) cancelOne(sim);
}

function strikeProcess(sim: Simulation, victim: Process, dice: number): void {
  const { random, scheduler } = sim;
  const { actor } = victim;
  if (dice < 3) {
    scheduler.note(`  ${actor.name} is killed`);
    scheduler.kill(actor);
    victim.end();
    if (random.chance(0.3)) called(sim, startTakeBack(sim, victim));
  } else if (dice < 5) {
    const forMs = 500 + random.below(15_000);
    scheduler.note(`  ${actor.name} stands still for ${forMs} ms`);
    scheduler.pause(actor, scheduler.nowMs + forMs);
  } else if (dice < 6) {
    scheduler.note(`  ${actor.name} loses its heartbeat`);
    victim.beats = false;
  } else {
    scheduler.note(`  ${actor.name} shuts down`);
    for (const held of victim.held.all()) held.abort("shutdown");
  }
}

function loseOrDouble(sim: Simulation, doubles: boolean): void {
  const wake = sim.queue.take("default") ?? sim.queue.take("slow");
  const running = [...sim.processes][0]?.wake;
  if (doubles && running !== undefined) sim.again.push(running);
  if (wake === undefined) return;
  sim.scheduler.note(`  ${wake.runId.slice(-2)}:${wake.wake} is ${doubles ? "given out twice" : "lost from its queue"}`);
  if (doubles) sim.again.push(wake, wake);
}

function cancelOne(sim: Simulation): void {
  const runIds = [...sim.world.runs.keys()];
  const runId = runIds[sim.random.below(runIds.length)];
  if (runId === undefined) return;
  called(
    sim,
    producerFor(sim, `canceller${sim.nextNumber()}`, () => runId)
      .run(runId)
      .cancel(),
  );
}

/** A producer whose answer was lost sends the same again, until it is answered. */
function submit(sim: Simulation, run: ScenarioRun, index: number): void {
  const producer = producerFor(sim, `producer${sim.nextNumber()}`, () => `r0-01jd3xk2v7w8y9z0a1b2c3d40${index}`);
  called(
    sim,
    untilAnswered(sim, run, () => producer.submit(run.plan.entry, inputFor(run.plan), optionsOf(run))),
  );
}

const optionsOf = ({ idempotencyKey, delayMs, deadlineMs, maxHops, conversation }: ScenarioRun) => ({
  ...(conversation === undefined ? {} : { conversation }),
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  delayMs,
  deadlineMs,
  maxHops,
  context: { counted: 0 },
});

async function untilAnswered(sim: Simulation, run: ScenarioRun, work: () => Promise<{ readonly id: string }>): Promise<void> {
  for (;;) {
    try {
      // Another process with the same idempotency key may have been first.
      const { id } = await work();
      sim.plans.set(id, run);
      if (run.followed) sim.followers.push(startFollower(sim, id));
      return;
    } catch {
      // The wire lost it.
    }
  }
}

/** The same request from another process, with another run id of its own; now and then with another input. */
function submitAgain(sim: Simulation): void {
  const keyed = sim.scenario.runs.filter(({ idempotencyKey }) => idempotencyKey !== undefined);
  const run = keyed[sim.random.below(keyed.length)];
  if (run === undefined) return;
  const name = `resubmitter${sim.nextNumber()}`;
  const producer = producerFor(sim, name, () => `r0-01jd3xk2v7w8y9z0a1b2c3d9${10 + (sim.nextNumber() % 90)}`);
  // Another input must not be the first, or the run itself were the conflict.
  const other = [...sim.plans.values()].includes(run) && sim.random.chance(0.3);
  called(sim, producer.submit(run.plan.entry, `${inputFor(run.plan)}${other ? " other" : ""}`, optionsOf(run)));
}

/** False when there is nothing left to do. */
function calmStep(sim: Simulation): boolean {
  if (goOn(sim) || takeWake(sim)) return true;
  const waiting = waitingForPeople(sim);
  const [run] = waiting;
  if (run !== undefined && sim.callers === 0) {
    called(sim, answer(sim, run));
    return true;
  }
  const resumed = sim.callers === 0 ? resumeSomething(sim) : undefined;
  if (resumed !== undefined) {
    called(sim, resumed);
    return true;
  }
  const over = isOver(sim);
  if (over && sim.processes.size === 0 && sim.followers.every(({ done }) => done)) return false;
  return passCalmTime(sim, over);
}

/** Nothing is ready: the reconciler looks once, then time goes on to whatever is next. */
function passCalmTime(sim: Simulation, over: boolean): boolean {
  const { scheduler } = sim;
  if (scheduler.nowMs - START_MS > END_AFTER_MS) return false;
  const sleeperMs = scheduler.nextAtMs() ?? Number.POSITIVE_INFINITY;
  const dispatchMs = over ? Number.POSITIVE_INFINITY : nextDispatchMs(sim);
  if (dispatchMs <= scheduler.nowMs && sim.reconciles) {
    reconcileNow(sim);
    return sim.callers > 0;
  }
  const nextMs = Math.min(sleeperMs, dispatchMs);
  if (!Number.isFinite(nextMs)) return false;
  scheduler.moveTo(nextMs);
  return true;
}

function nextDispatchMs({ world }: Simulation): number {
  // A resumer died in the middle: the reconciler goes on.
  if (world.resuming.size > 0) return START_MS;
  return Math.min(
    ...[...world.runs.values()].flatMap(({ lookAtMs, timerAtMs }) => [
      lookAtMs ?? Number.POSITIVE_INFINITY,
      timerAtMs ?? Number.POSITIVE_INFINITY,
    ]),
  );
}
