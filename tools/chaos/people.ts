/** What the people around a chaos run do: answer for lost calls, decide on refunds, cancel. They know the jobs and the effects file. */
import { FleetError, isFleetError } from "../../src/protocol/errors.ts";
import type { RunInfo } from "../../src/protocol/run.ts";
import { readEffects } from "./effects.ts";
import type { DecisionEvidence, RunEvidence } from "./evidence.ts";
import { type Job, TOOLS, toolResult, type Word } from "./jobs.ts";
import type { Stage } from "./stage.ts";
import { stepsOf } from "./steps.ts";

export interface Tracked {
  readonly job: Job;
  readonly runId: string;
  readonly resolved: { ran: number; notRun: number };
  readonly decisions: { -readonly [Key in keyof DecisionEvidence]: DecisionEvidence[Key] }[];
  cancel: RunEvidence["cancel"];
}

/** A process that lives, and did not enter the tool for so long after the last fault, will not. */
const QUIET_MS = 10_000;
const LOOK_MS = 50;
const LIST_LIMIT = 200;

/** One look at what is suspended, and what there is to say about it. */
export async function answerWhatWaits(stage: Stage, tracked: readonly Tracked[], drainedAtMs: number): Promise<void> {
  // Redis may be away.
  const suspended = await stage.producer.list({ status: "suspended", limit: LIST_LIMIT }).catch(() => []);
  for (const info of suspended) {
    const known = tracked.find(({ runId }) => runId === info.runId);
    if (known === undefined) continue;
    if (info.suspension === "effect-unknown") await resolveOne(stage, known, info, drainedAtMs).catch(passing);
    if (info.suspension === "approval") await decideOne(stage, known, info);
  }
}

/** An outage, or nothing to say any more: the late result of the attempt itself, or another's word, came first. */
const PASSING: readonly string[] = ["DECISION_NOT_OPEN", "BACKEND_UNREACHABLE", "REDIS_MEMORY_FULL"];

function passing(error: unknown): string {
  if (isFleetError(error) && PASSING.includes(error.code)) return error.code;
  throw error;
}

/** What a person would do: look whether it happened, and as long as the process that does it may live, wait. */
async function resolveOne(stage: Stage, tracked: Tracked, info: RunInfo, drainedAtMs: number): Promise<void> {
  const run = stage.producer.run(info.runId);
  for (const { callId, tool: name } of info.openIntents) {
    const tool = TOOLS.find((known) => known === name);
    if (tool === undefined) throw new FleetError("INPUT_INVALID", `Expected a lost call of a chaos tool; got ${name}.`, { at: info.runId });
    const key = `${info.runId}/${callId}`;
    if (readEffects(stage.effectsFile).some((line) => line.phase === "effect" && line.key === key)) {
      await run.resolve(callId, { type: "ran", result: toolResult(tool, tracked.job.value) });
      tracked.resolved.ran += 1;
    } else if (await mustBeDead(stage, info.runId, key, drainedAtMs)) {
      await run.resolve(callId, { type: "not-run" });
      tracked.resolved.notRun += 1;
    }
  }
}

/**
 * True when nobody can make the effect any more. A process that stands still, or is cut off from Redis, is alive: it may be in the tool, or
 * about to enter it on an answer that it has not read yet. A person who says `not-run` too early makes the effect twice.
 */
async function mustBeDead(stage: Stage, runId: string, key: string, drainedAtMs: number): Promise<boolean> {
  const { clock, crew, effectsFile, producer } = stage;
  const lines = readEffects(effectsFile);
  if (lines.some((line) => line.phase === "enter" && line.key === key && crew.isAlive(line.pid))) return false;
  const pids = (await stepsOf(producer, runId)).flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  // The last attempt only found the intent open.
  if (!pids.slice(0, -1).some((pid) => crew.isAlive(pid))) return true;
  const standsStillUntilMs = Math.max(drainedAtMs, ...lines.filter(({ phase }) => phase === "block").map(({ atMs, ms }) => atMs + ms));
  return clock.nowMs() > standsStillUntilMs + QUIET_MS;
}

/** As the job's plan says. Who was told that the decision is taken says no more, whatever becomes of the run. */
async function decideOne(stage: Stage, tracked: Tracked, info: RunInfo): Promise<void> {
  const { plan } = tracked.job;
  for (const { callId, tool } of info.approvals) {
    if (plan === undefined || tool !== "refund")
      throw new FleetError("INPUT_INVALID", `Expected only refunds to wait for a person; got ${tool}.`, { at: info.runId });
    if (tracked.decisions.some(({ answer }) => answer === "acknowledged")) continue;
    const say = (word: Word): Promise<void> => sayOne(stage, tracked, callId, word);
    await Promise.all([say(plan.word), ...(plan.isContested ? [say(plan.word === "approve" ? "reject" : "approve")] : [])]);
    if (plan.isRepeated) await say(plan.word);
  }
}

async function sayOne({ producer, clock }: Stage, tracked: Tracked, callId: string, word: Word): Promise<void> {
  const decision: Tracked["decisions"][number] = { word, sentAtMs: clock.nowMs(), answer: "unanswered" };
  tracked.decisions.push(decision);
  try {
    await producer.run(tracked.runId)[word](callId);
    decision.answer = "acknowledged";
  } catch (error) {
    if (passing(error) === "DECISION_NOT_OPEN") decision.answer = "refused";
  }
}

/** Asks until it is answered. An answer to a later try may speak of the end that an earlier one made. */
export async function cancelLater(stage: Stage, tracked: Tracked, afterMs: number, giveUpAtMs: () => number): Promise<void> {
  const { producer, clock } = stage;
  await clock.sleep(afterMs);
  while (clock.nowMs() < giveUpAtMs()) {
    try {
      const { status } = await producer.run(tracked.runId).cancel();
      if (status !== "already-final" || tracked.cancel === undefined) tracked.cancel = status;
      return;
    } catch (error) {
      passing(error);
      tracked.cancel = "unanswered";
      await clock.sleep(LOOK_MS);
    }
  }
}
