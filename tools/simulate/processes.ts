/** The simulated processes: attempts with their heartbeats, reconcilers, producers, people and followers. All run the fleet's real code. */
import { journaledProvider } from "../../src/agents/journaled-model.ts";
import type { Catalog } from "../../src/agents/catalog.ts";
import type { LostCall } from "../../src/agents/tool-policy.ts";
import { patientProvider } from "../../src/models/patience.ts";
import { createRunProducer } from "../../src/producers/run-producer.ts";
import type { RunHandle } from "../../src/producers/run-handle.ts";
import type { FollowedEvent } from "../../src/protocol/events.ts";
import { isFinalEvent } from "../../src/protocol/events.ts";
import type { WakeJob } from "../../src/protocol/job.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { beatEveryMs, renewHeld } from "../../src/workers/heartbeat.ts";
import { createHeldRuns, type HeldRuns } from "../../src/workers/held-runs.ts";
import { processWake, type WakeDeps } from "../../src/workers/process-wake.ts";
import { reconcile } from "../../src/workers/reconciler.ts";
import { RETRY_POLICY } from "../../src/workers/retry-policy.ts";
import { fleetFor, resultOf } from "./fleet.ts";
import { scriptedModel } from "./model.ts";
import { type Asking, observedStore } from "./observed-store.ts";
import { liveOverTheWire, queueOverTheWire, storeOverTheWire } from "./ports.ts";
import type { ToolName } from "./plan.ts";
import type { Actor } from "./scheduler.ts";
import type { Simulation } from "./simulation.ts";

export const LEASE_MS = 5_000;
export const RETENTION_MS = 7 * 24 * 60 * 60 * 1_000;

export interface Process {
  readonly actor: Actor;
  readonly wake: WakeJob;
  readonly held: HeldRuns;
  done: boolean;
  /** False: its heartbeat is lost, and it goes on without knowing. */
  beats: boolean;
  readonly end: () => void;
}

const askLedger =
  (sim: Simulation) =>
  (call: LostCall): { ran: string } | { notRun: true } => {
    const effect = sim.outside.effects.find(({ idempotencyKey }) => idempotencyKey === call.idempotencyKey);
    return effect === undefined ? { notRun: true } : { ran: resultOf(effect.tool, effect.ordinal) };
  };

export const catalogOf = (sim: Simulation): Catalog => fleetFor(askLedger(sim));

export function startAttempt(sim: Simulation, wake: WakeJob): Process {
  const actor = sim.scheduler.actor(`worker${sim.nextNumber()}`, `${wake.runId.slice(-2)}:${wake.wake}`);
  const held = createHeldRuns(() => undefined);
  const asking: Asking = { question: undefined };
  const stopBeats = new AbortController();
  const unwatch = sim.base.watchStops((runId, reason) => {
    if (sim.chaos.hears() && !actor.dead) held.abort(runId, reason);
  });
  const process: Process = { actor, wake, held, done: false, beats: true, end: () => stopBeats.abort() };
  const deps = wakeDeps(sim, process, asking);
  const finish = async (): Promise<void> => {
    process.done = true;
    stopBeats.abort();
    await (await unwatch)();
  };
  void processWake(deps, wake).then(finish, async (error: unknown) => {
    sim.scheduler.note(`  ${actor.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    sim.jobFailed(wake);
    await finish();
  });
  void beat(process, deps, stopBeats.signal);
  return process;
}

function wakeDeps(sim: Simulation, { actor, held, wake }: Process, asking: Asking): WakeDeps {
  const { scheduler, outside, chaos, monitor } = sim;
  const clock = scheduler.clockOf(actor);
  const model = scriptedModel({
    actor,
    scheduler,
    fault: (final) => chaos.modelFault(wake.runId, final),
    onCall: (question) => {
      asking.question = question;
      sim.onModelCall(actor, question, held.all()[0]?.aborted());
    },
  });
  const provider = patientProvider({ getModel: () => model }, { maxWaitMs: RETRY_POLICY.waitInSlotMs, clock });
  return {
    store: storeOverTheWire(observedStore(sim.base, monitor, actor, asking), sim.wire, actor, chaos),
    live: liveOverTheWire(sim.live, sim.wire, actor),
    queue: queueOverTheWire(sim.queue, sim.wire, actor),
    catalog: sim.catalog(),
    provider: journaledProvider(provider),
    makeContext: ({ context }) => ({
      ...context,
      reach: {
        actor,
        scheduler,
        outside,
        onEffect: (runId: string, callId: string, tool: ToolName) => sim.onEffect(runId, callId, tool, actor),
      },
    }),
    held,
    clock,
    log: silentLog,
    workerId: actor.name,
    options: { leaseMs: LEASE_MS, retentionMs: RETENTION_MS, maxDeaths: sim.limits.maxDeaths },
    random: () => sim.random.next(),
  };
}

/** What the heartbeat thread does: prolongs the lease, and stops an attempt that has lost it. */
async function beat(process: Process, { store, clock }: WakeDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(beatEveryMs(LEASE_MS), signal);
    if (signal.aborted) return;
    if (!process.beats) continue;
    const held = process.held.all().map(({ runId, token }) => ({ runId, token }));
    if (held.length === 0) continue;
    const told = await renewHeld(store, held, LEASE_MS).catch(() => []);
    for (const { runId, token, why } of told) process.held.abort(runId, why, token);
  }
}

/** What a supervisor does that saw a worker's process end: the runs that it held need not wait for their leases. */
export function startTakeBack(sim: Simulation, killed: Process): Promise<unknown> {
  const actor = sim.scheduler.actor(`supervisor${sim.nextNumber()}`);
  const store = storeOverTheWire(observedStore(sim.base, sim.monitor, actor, { question: undefined }), sim.wire, actor, sim.chaos);
  const queue = queueOverTheWire(sim.queue, sim.wire, actor);
  const held = killed.held.all().map(({ runId, token }) => ({ runId, token }));
  const policy = { retentionMs: RETENTION_MS, maxDeaths: sim.limits.maxDeaths };
  return store.takeBack(held, policy).then((wakes) => queue.add(wakes));
}

export function startReconcile(sim: Simulation): { readonly actor: Actor; readonly done: Promise<number | undefined> } {
  const actor = sim.scheduler.actor(`reconciler${sim.nextNumber()}`);
  const store = storeOverTheWire(observedStore(sim.base, sim.monitor, actor, { question: undefined }), sim.wire, actor, sim.chaos);
  const queue = queueOverTheWire(sim.queue, sim.wire, actor);
  const deps = { store, queue, clock: sim.scheduler.clockOf(actor), log: silentLog };
  const done = reconcile(deps, { retentionMs: RETENTION_MS, maxDeaths: sim.limits.maxDeaths }).catch(() => undefined);
  return { actor, done };
}

/** A producer process of its own, such as a service or a person's command line. */
export function producerFor(sim: Simulation, name: string, makeRunId: () => string, patient = false) {
  const actor = sim.scheduler.actor(name);
  const wire = patient ? { ...sim.wire, fate: () => "arrives" as const } : sim.wire;
  const store = storeOverTheWire(observedStore(sim.base, sim.monitor, actor, { question: undefined }), wire, actor, sim.chaos);
  const clock = sim.scheduler.clockOf(actor);
  const deps = { store, live: liveOverTheWire(sim.live, wire, actor), queue: queueOverTheWire(sim.queue, wire, actor), clock };
  return createRunProducer({ ...deps, agents: sim.catalog(), makeRunId, defaults: { retentionMs: RETENTION_MS } });
}

export interface Follower {
  readonly runId: string;
  readonly seen: FollowedEvent[];
  done: boolean;
  reconnect: () => void;
}

/** Follows a run, and comes back behind the last event that it got whenever its connection is lost. */
export function startFollower(sim: Simulation, runId: string): Follower {
  const handle: RunHandle = producerFor(sim, `follower${sim.nextNumber()}`, () => runId).run(runId);
  const follower: Follower = { runId, seen: [], done: false, reconnect: () => undefined };
  void followToEnd(handle, follower);
  return follower;
}

async function followToEnd(handle: RunHandle, follower: Follower): Promise<void> {
  for (;;) {
    const connection = new AbortController();
    follower.reconnect = () => connection.abort();
    const after = follower.seen.at(-1)?.cursor;
    try {
      for await (const event of handle.events({ after, signal: connection.signal })) {
        follower.seen.push(event);
        if (isFinalEvent(event)) {
          follower.done = true;
          return;
        }
        // The connection is gone with whatever was on its way.
        if (connection.signal.aborted) break;
      }
    } catch {
      // A read that the wire lost: the next connection reads it again.
    }
  }
}
