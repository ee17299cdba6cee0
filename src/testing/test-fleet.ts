/**
 * A fleet in memory: the same protocol, pipeline and agents, without Redis, BullMQ or time. Waits are jumped over, so that a retry in a
 * minute and a lane in an hour take no time.
 */
import type { Model, ModelProvider } from "@openai/agents";
import type { AgentMap } from "../agents/catalog.ts";
import { journaledProvider } from "../agents/journaled-model.ts";
import type { AgentsIn, Fleet } from "../fleet.ts";
import { createRunProducer, type RunProducer } from "../producers/run-producer.ts";
import type { SubmitOptions } from "../producers/submission.ts";
import type { AgentName, FleetResult, InputOf } from "../producers/types.ts";
import { patientProvider } from "../models/patience.ts";
import { FleetError } from "../protocol/errors.ts";
import type { RunEvent } from "../protocol/events.ts";
import { isFinal, type RunInfo } from "../protocol/run.ts";
import type { LiveText, RunStore } from "../protocol/run-store.ts";
import { silentLog } from "../telemetry/log.ts";
import { createHeldRuns } from "../workers/held-runs.ts";
import { processWake, type WakeDeps } from "../workers/process-wake.ts";
import { reconcile } from "../workers/reconciler.ts";
import { RETRY_POLICY } from "../workers/retry-policy.ts";
import { createMemoryLiveText } from "./memory-live-text.ts";
import { createMemoryRunStore } from "./memory-run-store.ts";
import { createMemoryWakeQueue, type MemoryWakeQueue } from "./memory-wake-queue.ts";
import { createVirtualClock, settleMicrotasks, type VirtualClock } from "./virtual-clock.ts";

export interface TestFleetOptions {
  /** By the name that agents give as `model`; `"*"` stands for every other name. */
  readonly models: Readonly<Record<string, Model>>;
  /** Wraps the store, such as to lose replies or to crash at a chosen step. */
  readonly wrapStore?: (store: RunStore) => RunStore;
}

export interface TestFleet<M extends AgentMap> extends RunProducer<AgentsIn<M>> {
  readonly clock: VirtualClock;
  readonly store: RunStore;
  readonly live: LiveText;
  readonly queue: MemoryWakeQueue;
  /** Works until nothing is runnable; jumps over waits of up to an hour. */
  settle(): Promise<void>;
  /** Submits, settles and returns how it ended, or undefined when it is suspended. */
  complete<Name extends AgentName<AgentsIn<M>>>(
    agent: Name,
    input: InputOf<AgentsIn<M>, Name>,
    options?: SubmitOptions,
  ): Promise<FleetResult<AgentsIn<M>> | undefined>;
  info(runId: string): Promise<RunInfo>;
  eventsOf(runId: string): Promise<RunEvent[]>;
}

/** Waits that `settle` jumps over; a deadline days away is not one of them. Milliseconds. */
const JUMP_MS = 60 * 60 * 1_000;

export function testFleet<M extends AgentMap>(fleet: Fleet<M>, { models, wrapStore = (store) => store }: TestFleetOptions): TestFleet<M> {
  const clock = createVirtualClock();
  const store = wrapStore(createMemoryRunStore({ clock }));
  const live = createMemoryLiveText();
  const queue = createMemoryWakeQueue();
  const producer = createRunProducer<AgentsIn<M>>({ store, live, queue, clock, agents: fleet.catalog });
  const options = { leaseMs: 5_000, retentionMs: 7 * 24 * JUMP_MS, maxDeaths: 5 };
  const deps: WakeDeps = {
    store,
    live,
    queue,
    catalog: fleet.catalog,
    provider: journaledProvider(patientProvider(providerOf(models), { maxWaitMs: RETRY_POLICY.waitInSlotMs, clock })),
    makeContext: fleet.options.context ?? (({ context }) => context),
    approvers: fleet.options.approvers,
    hooks: fleet.options.hooks,
    held: createHeldRuns(() => undefined),
    clock,
    log: silentLog,
    workerId: "test",
    options,
    random: () => 0.5,
  };
  const queues = [...new Set([...fleet.catalog.values()].map((entry) => entry.queue))];

  const settle = async (): Promise<void> => {
    for (;;) {
      const wake = queues.map((name) => queue.take(name)).find((taken) => taken !== undefined);
      if (wake !== undefined) {
        // A store that "crashed" in a test ends the attempt as a dead worker would.
        await drive(
          clock,
          processWake(deps, wake).catch(() => undefined),
        );
        continue;
      }
      const inMs = await reconcile(deps, options);
      if (queues.some((name) => queue.size(name) > 0)) continue;
      // A run that ended in this round may have passed its turn in a conversation on.
      if ((await store.due(1)).runIds.length > 0) continue;
      if (inMs > JUMP_MS) return;
      await clock.advance(inMs);
    }
  };
  const info = async (runId: string): Promise<RunInfo> => {
    const found = await store.get(runId);
    if (found === undefined) throw new FleetError("RUN_UNKNOWN", `No run has the id ${runId}.`, { at: runId });
    return found;
  };
  return {
    ...producer,
    clock,
    store,
    live,
    queue,
    settle,
    info,
    async complete(agent, input, submitOptions) {
      const run = await producer.submit(agent, input, submitOptions);
      await settle();
      return isFinal((await info(run.id)).status) ? run.result() : undefined;
    },
    eventsOf: async (runId) => (await store.events(runId, "0-0", 10_000)).map(({ event }) => event),
  };
}

/** Lets the work go on; where it sleeps, moves time. */
async function drive(clock: VirtualClock, work: Promise<void>): Promise<void> {
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  while (!done) {
    await settleMicrotasks();
    if (!done) await clock.advanceToNext();
  }
  await ended;
}

const providerOf = (models: TestFleetOptions["models"]): ModelProvider => ({
  getModel: (name = "") => {
    const model = models[name] ?? models["*"];
    if (model !== undefined) return model;
    throw new FleetError("MODEL_KEY_MISSING", `testFleet was given no model for "${name}".`, {
      at: "models",
      remedy: `pass models: { "${name}": … }`,
    });
  },
});
