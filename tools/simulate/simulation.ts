/**
 * One simulation: some runs on some workers under one seed. First a stretch in which things go wrong, then a calm one in which everything
 * must come to its end. Each step resumes one waiting process, or does one thing; after each step the monitor looks at everything.
 */
import type { Catalog } from "../../src/agents/catalog.ts";
import type { LiveText, RunStore } from "../../src/protocol/run-store.ts";
import type { WakeJob } from "../../src/protocol/job.ts";
import { isFinal } from "../../src/protocol/run.ts";
import { createMemoryLiveText } from "../../src/testing/memory-live-text.ts";
import { createMemoryRunStore } from "../../src/testing/memory-run-store.ts";
import { createWorld, type MemoryWorld } from "../../src/testing/memory-run-state.ts";
import { createMemoryWakeQueue, type MemoryWakeQueue } from "../../src/testing/memory-wake-queue.ts";
import { type Chaos, createChaos } from "./chaos.ts";
import { createChecker } from "./invariants.ts";
import { createMonitor, type Limits, type Monitor } from "./monitor.ts";
import type { Mutant } from "./mutant.ts";
import { createOutside, type Outside } from "./outside.ts";
import { inputOf, type Plan, type ToolName } from "./plan.ts";
import type { Wire } from "./ports.ts";
import { catalogOf, type Follower, LEASE_MS, type Process } from "./processes.ts";
import { createRandom, type Random } from "./random.ts";
import type { Scenario, ScenarioRun } from "./scenario.ts";
import { type Actor, createScheduler, type Scheduler } from "./scheduler.ts";

export interface Simulation {
  readonly scenario: Scenario;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly chaos: Chaos;
  readonly outside: Outside;
  readonly monitor: Monitor;
  readonly world: MemoryWorld;
  /** The store itself, or what a mutant made of it. */
  readonly base: RunStore;
  readonly queue: MemoryWakeQueue;
  readonly live: LiveText;
  readonly wire: Wire;
  readonly limits: Limits;
  /** By run id: what was submitted. */
  readonly plans: Map<string, ScenarioRun>;
  readonly processes: Set<Process>;
  readonly followers: Follower[];
  /** Jobs that are given out once more. */
  readonly again: WakeJob[];
  readonly reconciles: boolean;
  /** Callers that have not come back: people, reconcilers, producers. */
  callers: number;
  nextNumber(): number;
  catalog(): Catalog;
  jobFailed(wake: WakeJob): void;
  onModelCall(actor: Actor, question: string, stopped: string | undefined): void;
  onEffect(runId: string, callId: string, tool: ToolName, actor: Actor): void;
}

/** @param without numbers of faults that are left out */
export function createSimulation(scenario: Scenario, mutant: Mutant | undefined, without: ReadonlySet<number>): Simulation {
  const random = createRandom(scenario.seed);
  const scheduler = createScheduler();
  const outside = createOutside();
  const chaos = createChaos(random, scheduler, outside, {
    budget: scenario.faults,
    rate: scenario.faultRate,
    without,
    weakModel: scenario.weakModel,
  });
  const world = createWorld(scheduler.clockOf(scheduler.actor("store")));
  const real = createMemoryRunStore({ clock: world.clock, world });
  const base = mutant?.store?.(real, world) ?? real;
  const realQueue = createMemoryWakeQueue();
  const limits: Limits = { leaseMs: LEASE_MS, maxDeaths: scenario.maxDeaths };
  const monitor = createMonitor({ checker: createChecker(), world, outside, limits });
  let number = 0;
  const live = createMemoryLiveText({ notify: (runId) => real.notify(runId) });
  const sim: Simulation = {
    scenario,
    random,
    scheduler,
    chaos,
    outside,
    monitor,
    world,
    base,
    queue: mutant?.queue?.(realQueue) ?? realQueue,
    live: mutant?.live?.(live) ?? live,
    wire: { scheduler, fate: (actor, operation) => chaos.fate(actor, operation) },
    limits,
    plans: new Map(),
    processes: new Set(),
    followers: [],
    again: [],
    reconciles: mutant?.reconciles ?? true,
    callers: 0,
    nextNumber: () => ++number,
    catalog: () => catalogOf(sim),
    jobFailed(wake) {
      // BullMQ gives a job that failed out again, some times.
      if (random.chance(0.7)) sim.again.push(wake);
    },
    onModelCall: (actor, question, stopped) => checkModelCall(monitor, actor, question, stopped),
    onEffect: (runId, callId, tool, actor) => checkEffect(sim, { runId, callId, tool, actor }),
  };
  return sim;
}

function checkModelCall({ checker, accounts }: Monitor, actor: Actor, question: string, stopped: string | undefined): void {
  const attempts = [...accounts.values()].flatMap((account) => [...account.attempts.values()].map((attempt) => ({ account, attempt })));
  const mine = attempts.find(({ attempt }) => attempt.actor === actor.name);
  if (mine === undefined) return;
  const { account, attempt } = mine;
  const answered = account.answered.get(`${attempt.hop} ${question}`);
  const again = answered !== undefined && answered.at < attempt.beganAt;
  const at = `run ${account.runId}: ${actor.name}`;
  checker.check(
    "acknowledged-calls-are-not-made-again",
    !again,
    () => `${at} asked again for ${answered?.key}, which was journaled before it began`,
  );
  checker.check("no-call-after-a-stop", stopped === undefined, () => `${at} asked the model after it was told: ${stopped}`);
}

function checkEffect(
  { monitor, outside, world }: Simulation,
  effect: { runId: string; callId: string; tool: ToolName; actor: Actor },
): void {
  const { runId, callId, tool, actor } = effect;
  const { check } = monitor.checker;
  if (tool === "refund") {
    const decision = monitor.account(runId).decisions.get(callId);
    const approved = decision !== undefined && decision.includes('"approve":true');
    check("unapproved-effects-do-not-run", approved, () => `run ${runId}: ${callId} ran although it was ${decision ?? "never decided"}`);
  }
  if (tool === "note" || tool === "count") return;
  const before = outside.effects.filter((earlier) => earlier.runId === runId && earlier.callId === callId).length;
  const allowed = outside.saidNotRun.filter((said) => said === `${runId} ${callId}`).length;
  check(
    "ask-effects-run-once",
    before <= allowed,
    () => `run ${runId}: ${callId} runs ${before + 1} times, and ${allowed} times somebody said it had not`,
  );
  const opened = world.runs.get(runId)?.events.some(({ event }) => event.type === "tool.started" && event.callId === callId) === true;
  const journaled = monitor.account(runId).opened.has(`${actor.name} ${callId}`);
  check("intent-before-effect", opened && journaled, () => `run ${runId}: ${callId} runs in ${actor.name} without an intent`);
}

export const isOver = ({ world, plans, scenario }: Simulation): boolean =>
  plans.size === scenario.runs.length && [...world.runs.values()].every(({ info }) => isFinal(info.status));

export const inputFor = (plan: Plan): string => inputOf(plan);
