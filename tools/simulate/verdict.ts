/** What must be true when a simulation has come to its end: nothing hangs, and every run came out as an undisturbed one does. */
import { isFinalEvent, runEventSchema } from "../../src/protocol/events.ts";
import { isFinal, runInfoSchema } from "../../src/protocol/run.ts";
import type { MemoryRun } from "../../src/testing/memory-run-state.ts";
import { infoOf } from "../../src/testing/memory-run-reads.ts";
import type { Plan } from "./plan.ts";
import { type Follower, producerFor } from "./processes.ts";
import type { Simulation } from "./simulation.ts";

/** How a plan comes out when nothing goes wrong. */
export interface Undisturbed {
  readonly outputJson: string | undefined;
  readonly items: string;
  readonly contextJson: string;
  /** `<tool> <ordinal>`, sorted, each once. */
  readonly effects: string;
}

export const undisturbedOf = (sim: Simulation, runId: string): Undisturbed => {
  const run = sim.world.runs.get(runId);
  return {
    outputJson: run?.outputJson,
    items: itemsOf(run),
    contextJson: run?.contextJson ?? "",
    effects: effectsOf(sim, runId),
  };
};

/** One list of items, however many chunks hold it; without what names the attempt, and the run in a conversation, in the ids of calls. */
const itemsOf = (run: MemoryRun | undefined): string =>
  JSON.stringify((run?.items ?? []).flatMap((chunk) => JSON.parse(chunk) as unknown[]))
    .replaceAll(/(call_h\d+)a\d+/g, "$1")
    .replaceAll(/(call_h\d+t\d+_\d+)_[0-9a-z]{10}/g, "$1");

const effectsOf = ({ outside }: Simulation, runId: string): string =>
  [...new Set(outside.effects.filter((effect) => effect.runId === runId).map(({ tool, ordinal }) => `${tool} ${ordinal}`))]
    .sort()
    .join(", ");

export async function checkEnd(sim: Simulation, undisturbed: (plan: Plan) => Promise<Undisturbed>): Promise<void> {
  const { check } = sim.monitor.checker;
  const waiting = [...sim.processes].map(({ actor }) => actor.name);
  check(
    "every-run-ends",
    sim.plans.size === sim.scenario.runs.length,
    () => `${sim.plans.size} of ${sim.scenario.runs.length} submits were answered`,
  );
  for (const [runId, { plan }] of sim.plans) {
    const run = sim.world.runs.get(runId);
    if (run === undefined) {
      check("every-run-ends", false, () => `run ${runId} was submitted and is not there`);
      continue;
    }
    checkEnding(sim, run);
    if (run.info.status === "completed") checkOutcome(sim, run, await undisturbed(plan));
    await checkResult(sim, run);
  }
  check("nothing-hangs", waiting.length === 0 && sim.callers === 0, () => `${waiting.join(", ")} and ${sim.callers} callers wait for ever`);
  checkKeys(sim);
  for (const follower of sim.followers) checkFollower(sim, follower);
}

function checkEnding({ monitor, scheduler }: Simulation, run: MemoryRun): void {
  const { check } = monitor.checker;
  const { info } = run;
  const final = isFinal(info.status);
  check("every-run-ends", final, () => `run ${info.runId} is ${info.status} ${info.suspension ?? ""} at wake ${info.wake}`);
  check(
    "resumes-lose-none",
    info.status !== "paused" && run.parked === undefined,
    () => `run ${info.runId} is still parked under ${run.parked}`,
  );
  check("lanes-resume", info.suspension !== "lane", () => `run ${info.runId} still waits for its lane`);
  check(
    "deadline-ends-the-run",
    final || scheduler.nowMs < info.deadlineAtMs,
    () => `run ${info.runId} is ${info.status} after its deadline`,
  );
  const valid = runInfoSchema.safeParse(infoOf(run)).success && run.events.every(({ event }) => runEventSchema.safeParse(event).success);
  check("record-is-valid", valid, () => `run ${info.runId}: ${JSON.stringify(infoOf(run)).slice(0, 300)}`);
}

function checkOutcome(sim: Simulation, run: MemoryRun, expected: Undisturbed): void {
  const { check } = sim.monitor.checker;
  const { runId } = run.info;
  const compare = (name: Parameters<typeof check>[0], got: string | undefined, wanted: string | undefined): void =>
    check(name, got === wanted, () => `run ${runId}: got ${got}, undisturbed ${wanted}`);
  compare("output-as-without-faults", run.outputJson, expected.outputJson);
  compare("transcript-as-without-faults", itemsOf(run), expected.items);
  compare("context-as-without-faults", run.contextJson, expected.contextJson);
  compare("effects-as-without-faults", effectsOf(sim, runId), expected.effects);
}

/** A handle that attaches now is answered at once, and only with what the record holds. */
async function checkResult(sim: Simulation, { info, outputJson }: MemoryRun): Promise<void> {
  if (!isFinal(info.status)) return;
  let told: { status: string; output?: unknown } | undefined;
  const handle = producerFor(sim, `reader${sim.nextNumber()}`, () => info.runId).run(info.runId);
  void handle.result().then((result) => (told = result));
  for (let step = 0; step < 20 && told === undefined; step++) {
    for (const point of sim.scheduler.ready()) sim.scheduler.go(point);
    await sim.scheduler.quiet();
  }
  const agrees = told?.status === info.status && JSON.stringify(told.output) === outputJson;
  sim.monitor.checker.check(
    "result-agrees-with-the-record",
    agrees,
    () => `run ${info.runId} is ${info.status}, its handle says ${JSON.stringify(told)}`,
  );
}

/** By plan ordinal, which no attempt can change. */
function checkKeys({ outside, monitor }: Simulation): void {
  const keys = new Map<string, string>();
  for (const { runId, ordinal, tool, idempotencyKey } of outside.effects) {
    const name = `${runId} ${tool} ${ordinal}`;
    const first = keys.get(name) ?? idempotencyKey;
    keys.set(name, first);
    monitor.checker.check(
      "idempotency-key-is-the-same",
      first === idempotencyKey,
      () => `${name} ran under ${first} and ${idempotencyKey}`,
    );
  }
}

function checkFollower({ monitor, world }: Simulation, { runId, seen, done }: Follower): void {
  const { check } = monitor.checker;
  const live = ["text.delta", "turn.restarted"];
  const stored = (world.runs.get(runId)?.events ?? []).map(({ event }) => JSON.stringify(event));
  const shown = seen.flatMap(({ cursor: _cursor, ...event }) => (live.includes(event.type) ? [] : [JSON.stringify(event)]));
  check(
    "follower-sees-every-event-once",
    shown.join("\n") === stored.join("\n"),
    () => `run ${runId}: ${shown.length} events shown, ${stored.length} stored`,
  );
  const last = seen.at(-1);
  check(
    "follower-ends-with-the-run",
    done && last !== undefined && isFinalEvent(last),
    () => `run ${runId}: its follower ended with ${last?.type}`,
  );
  const texts = new Map<number, string>();
  for (const event of seen) {
    if (event.type === "turn.restarted") texts.set(event.turn, "");
    if (event.type === "text.delta") texts.set(event.turn, (texts.get(event.turn) ?? "") + event.text);
    if (event.type !== "turn.completed") continue;
    const text = texts.get(event.turn) ?? "";
    check(
      "follower-text-is-the-final-text",
      text === event.text,
      () => `run ${runId}, turn ${event.turn}: shown ${JSON.stringify(text)}, finished ${JSON.stringify(event.text)}`,
    );
  }
}
