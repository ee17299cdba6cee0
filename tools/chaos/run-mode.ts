/** One chaos run: load and faults side by side, then the verdict. */
import { type Verdict, isGood, judge } from "./count.ts";
import { readEffects } from "./effects.ts";
import type { Evidence, Fault } from "./evidence.ts";
import { FAULT_PLANS } from "./faults.ts";
import { type Load, startLoad } from "./load.ts";
import { makeJobs } from "./mix.ts";
import type { ChaosOptions } from "./options.ts";
import { SLOTS, type Stage, withStage } from "./stage.ts";

export interface ModeResult extends Verdict {
  readonly refusedSubmits: number;
  /** SIGTERMed workers that did not end with 0. */
  readonly badExits: number;
  readonly tookMs: number;
}

/** Unfinished runs for each slot: enough to wait for, few enough that a run is not old when it begins. */
const WINDOW_PER_SLOT = 2;
const LOOK_MS = 10;
/** Long enough for an attempt that wakes up to finish its tool and ask once more. */
const AWAKE_MS = 3_000;

export function runMode(options: ChaosOptions, say: (line: string) => void): Promise<ModeResult> {
  return withStage(options, say, async (stage) => {
    const startedAtMs = stage.clock.nowMs();
    const load = startLoad(stage, makeJobs(options), options.workers * SLOTS * WINDOW_PER_SLOT);
    const made = await makeFaults(stage, load);
    load.drain();
    await load.done;
    await untilAwake(stage);
    const runs = await load.collect();
    const effects = readEffects(stage.effectsFile);
    const evidence: Evidence = {
      runs,
      talks: await load.talks(),
      effects,
      calls: stage.provider.book(),
      faults: [...made, ...blocksOf(stage, effects)],
      pids: stage.crew.pids,
    };
    const verdict = judge(evidence);
    const badExits = made.filter(({ kind, note }) => kind === "term" && !note.endsWith("with 0")).length;
    const value = { ...verdict, refusedSubmits: load.refused, badExits, tookMs: stage.clock.nowMs() - startedAtMs };
    return { value, keep: !isGood(verdict) || badExits > 0 };
  });
}

/** One after the other. Each has a share of the load: half of it begins just before the fault, the rest comes while it lasts. */
async function makeFaults(stage: Stage, load: Load): Promise<Fault[]> {
  const { options, clock, chance, say } = stage;
  const plan = FAULT_PLANS[options.mode];
  const count = options.mode === "block" ? 0 : (options.faults ?? plan.count(options.runs));
  const made: Fault[] = [];
  for (let number = 0; number < count; number++) {
    load.allowed = Math.ceil((options.runs * (number + 0.5)) / count);
    while (load.accepted < load.allowed) await clock.sleep(LOOK_MS);
    await clock.sleep(chance.between(...plan.pauseMs));
    load.allowed = Math.ceil((options.runs * (number + 1)) / count);
    let fault: Fault | undefined;
    while (fault === undefined) {
      // Nobody is ready right now: the last fault's replacement is on its way.
      fault = await plan.make(stage, number);
      if (fault === undefined) await clock.sleep(50);
    }
    made.push(fault);
    say(`${load.finished}/${options.runs}  ${fault.kind} ${number + 1}/${count}: ${fault.note}`);
  }
  load.allowed = options.runs;
  // Mode `block` has no other fault than those in its load.
  while (load.accepted < options.runs) await clock.sleep(LOOK_MS);
  return made;
}

/** A process that stood still goes on as if it still had its runs: what it then does belongs to the evidence. */
async function untilAwake({ clock, effectsFile }: Stage): Promise<void> {
  const ends = readEffects(effectsFile).flatMap(({ phase, atMs, ms }) => (phase === "block" ? [atMs + ms + AWAKE_MS] : []));
  await clock.sleep(Math.max(0, ...ends.map((endMs) => endMs - clock.nowMs())));
}

/** The tools' own account of when they held the loop. */
const blocksOf = ({ crew }: Stage, effects: Evidence["effects"]): Fault[] =>
  effects
    .filter(({ phase }) => phase === "block")
    .map(({ pid, atMs, ms, tool }) => ({
      kind: "block",
      worker: [...crew.pids].find(([, known]) => known === pid)?.[0],
      pid,
      atMs,
      endMs: atMs + ms,
      note: `${tool} held the loop for ${ms} ms`,
    }));
